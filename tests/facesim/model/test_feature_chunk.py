"""Compressed chunks: the same bits in less room, and no memory beyond a row for a hostile one."""

import logging
import shutil
import struct
import sys
import threading
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from zstandard import ZstdCompressor

from facesim.data.image_digests import Digests
from facesim.errors import FacesimError
from facesim.model import feature_chunk, feature_store
from facesim.model.feature_chunk import (
    COMPRESSED_INDEX_BYTES,
    COMPRESSED_SUFFIX,
    FOOTER_BYTES,
    Chunk,
    ChunkDamagedError,
    Rows,
    write_chunk,
)
from facesim.model.feature_store import FeatureStore, MissingFeaturesError

SHAPE = (7, 6, 64)
ROW_BYTES = 7 * 6 * 64 * 2
FLOAT16 = np.dtype(np.float16)


def _digests(count: int, seed: int = 0) -> Digests:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


def _features(count: int, shape: tuple[int, ...] = SHAPE) -> Rows:
    """As after a ReLU: more than half of them are zero."""
    drawn = np.random.default_rng(1).normal(-0.5, 1.0, (count, *shape))
    return np.maximum(drawn, 0).astype(np.float16)


@pytest.fixture
def stores(tmp_path: Path) -> tuple[FeatureStore, FeatureStore]:
    """One that compresses and one that does not, in the same folder."""
    return (
        FeatureStore(tmp_path / "store", SHAPE, np.float16, compressed=True),
        FeatureStore(tmp_path / "store", SHAPE, np.float16),
    )


def test_either_kind_of_store_reads_the_chunks_of_both(
    stores: tuple[FeatureStore, FeatureStore],
) -> None:
    digests, features = _digests(80), _features(80)
    compressing, plain = stores
    compressing.append(digests[:50], features[:50])
    plain.append(digests[50:], features[50:])

    assert {path.suffix for path in plain.folder.iterdir()} == {".chunk", ".zchunk"}
    for store in stores:
        assert store.missing(digests).tolist() == []
        read = store.read(store.locate(digests))
        assert np.array_equal(read.view(np.uint16), features.view(np.uint16))
        assert store.verify().rows == 80


def test_features_after_a_relu_take_much_less_room(
    stores: tuple[FeatureStore, FeatureStore],
) -> None:
    compressing, plain = stores
    compressing.append(_digests(40), _features(40))

    assert compressing.compressed_share is not None
    assert compressing.compressed_share < 0.6
    assert plain.compressed_share is None
    assert compressing.size_bytes() == compressing.bytes_needed(40)
    assert compressing.size_bytes() < 0.6 * plain.bytes_needed(40)


def test_special_values_keep_their_bits(tmp_path: Path) -> None:
    rows = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(4, -1)  # all there are
    store = FeatureStore(tmp_path, rows.shape[1:], np.float16, compressed=True)
    store.append(_digests(4), rows)

    read = store.read(store.locate(_digests(4)))

    assert np.array_equal(read.view(np.uint16), rows.view(np.uint16))


def test_what_does_not_compress_takes_no_more_than_was_said(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2**16, (30, 5000), np.uint16).view(np.float16)
    store = FeatureStore(tmp_path, (5000,), np.float16, compressed=True)
    most = store.bytes_needed(30)
    store.append(_digests(30), rows)

    assert 30 * 10_000 < store.size_bytes() <= most < 30 * 10_000 * 1.02


def test_the_room_that_is_asked_for_is_that_of_one_chunk_until_some_are_compressed(
    stores: tuple[FeatureStore, FeatureStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = stores
    free = store.bytes_needed(store.rows_per_chunk)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free))
    store.require_space(10_000)
    store.append(_digests(40), _features(40))

    with pytest.raises(FacesimError, match="10,000 images take"):
        store.require_space(10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, store.bytes_needed(10_000)))
    store.require_space(10_000)


def _chunk_of(folder: Path, frames: list[bytes], ends: list[int] | None = None) -> Chunk:
    """A chunk that was forged: these frames, and index and footer that fit them."""
    path = folder / f"x{COMPRESSED_SUFFIX}"
    write_chunk(path, _digests(len(frames)), np.zeros((len(frames), *SHAPE), FLOAT16))
    content = path.read_bytes()
    index_bytes = len(frames) * COMPRESSED_INDEX_BYTES
    index = content[-FOOTER_BYTES - index_bytes : -FOOTER_BYTES - 8 * len(frames)]
    index += np.array(ends or np.cumsum(list(map(len, frames))), "<u8").tobytes()
    checksum = zlib.crc32(index, zlib.crc32(content[-FOOTER_BYTES + 8 : -4]))
    footer = content[-FOOTER_BYTES:-4] + struct.pack("<I", checksum)
    path.write_bytes(b"".join(frames) + index + footer)
    return Chunk(path, SHAPE, FLOAT16)


def _frame(content: bytes) -> bytes:
    return ZstdCompressor().compress(content)


LONG_WINDOW = b"\x28\xb5\x2f\xfd" + b"\x00\xa0" + b"\x01\x00\x00"
"""A frame of one empty block that asks for a window of 1 GiB."""


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (_frame(bytes(ROW_BYTES - 1)), "another size"),
        (_frame(bytes(ROW_BYTES + 1)), "cannot be decompressed"),
        (_frame(bytes(200 * 2**20)), "cannot be decompressed: .*memory"),
        (_frame(bytes(ROW_BYTES)) + _frame(b"more"), "another size"),
        (_frame(b""), "another size"),
        (b"no frame at all", "cannot be decompressed"),
        (LONG_WINDOW, "cannot be decompressed: .*memory"),
    ],
    ids=["short", "long", "bomb", "two", "empty", "no frame", "window"],
)
def test_a_forged_frame_is_damage(tmp_path: Path, frame: bytes, message: str) -> None:
    chunk = _chunk_of(tmp_path, [_frame(bytes(ROW_BYTES)), frame])
    out = np.empty((2, *SHAPE), FLOAT16)
    out[1] = 7

    chunk.copy_row(0, out[0])
    with pytest.raises(ChunkDamagedError, match=message):
        chunk.copy_row(1, out[1])
    with pytest.raises(ChunkDamagedError, match=message):
        chunk.verify()
    assert not out[0].any()


@pytest.mark.parametrize("ends", [[30, 20], [0, 2**63], [2**64 - 1, 40], [20, 41]])
def test_frames_outside_of_their_chunk_are_damage(tmp_path: Path, ends: list[int]) -> None:
    with pytest.raises(ChunkDamagedError, match="places outside"):
        _chunk_of(tmp_path, [b"x" * 20, b"y" * 20], ends)


def test_a_chunk_that_two_threads_find_damaged_is_dropped_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = FeatureStore(tmp_path, SHAPE, np.float16, compressed=True)
    store.append(_digests(2), _features(2))
    both = threading.Barrier(2)

    def damaged(*_: object) -> None:
        both.wait(60)
        raise ChunkDamagedError("torn")

    monkeypatch.setattr(feature_store, "_ROWS_PER_THREAD", 1)
    monkeypatch.setattr(feature_chunk, "available_cores", lambda: 2)
    monkeypatch.setattr(Chunk, "copy_row", damaged)
    with pytest.raises(MissingFeaturesError):
        store.read(store.locate(_digests(2)))
    assert len(store.verify().dropped) == 1
    assert caplog.text.count("is damaged") == 1


@pytest.fixture
def _without_zstandard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_chunk, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "zstandard", None)


@pytest.mark.usefixtures("_without_zstandard")
def test_to_compress_without_the_package_is_an_error_that_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(FacesimError, match=r'zstandard: pip install "facesim\[zstd\]".*float16`'):
        FeatureStore(tmp_path, SHAPE, np.float16, compressed=True)


def test_compressed_chunks_stay_where_the_package_to_read_them_is_missing(
    stores: tuple[FeatureStore, FeatureStore],
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compressing, _ = stores
    compressing.append(_digests(6), _features(6))
    request.getfixturevalue("_without_zstandard")

    with caplog.at_level(logging.WARNING):
        store = FeatureStore(compressing.folder, SHAPE, np.float16)

    assert "facesim[zstd]" in caplog.text
    assert len(store.missing(_digests(6))) == 6
    found = store.verify()
    assert (found.rows, found.dropped, len(found.unreadable)) == (0, (), 1)
    assert list(compressing.folder.iterdir())
