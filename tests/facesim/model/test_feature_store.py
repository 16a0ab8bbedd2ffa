"""The store of features: what was put in comes back, or nothing does; never anything else."""

import errno
import logging
import os
import shutil
import struct
import zlib
from collections import namedtuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim.data.image_digests import Digests
from facesim.errors import FacesimError
from facesim.model import feature_store
from facesim.model.feature_chunk import (
    COMPRESSED_INDEX_BYTES,
    COMPRESSED_SUFFIX,
    FOOTER_BYTES,
    INDEX_BYTES,
    SUFFIX,
    Chunk,
    ChunkDamagedError,
    Rows,
    write_chunk,
)
from facesim.model.feature_store import FeatureStore, MissingFeaturesError

SHAPE = (3, 5)


def _digests(count: int, seed: int = 0) -> Digests:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


def _features(digests: Digests) -> Rows:
    """Features that say whose they are: computed from the digest alone."""
    first = digests[:, :15].reshape(-1, *SHAPE).astype(np.float16)
    return first / np.float16(7)


@pytest.fixture(params=[SUFFIX, COMPRESSED_SUFFIX], ids=["plain", "compressed"], autouse=True)
def suffix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every promise holds for either kind of store; this is the suffix of its chunks."""
    kind = partial(feature_store.FeatureStore, compressed=request.param == COMPRESSED_SUFFIX)
    monkeypatch.setitem(globals(), "FeatureStore", kind)
    return str(request.param)


def _filled(folder: Path, *counts: int) -> tuple[FeatureStore, Digests]:
    """A store with a chunk of each of these sizes."""
    store = FeatureStore(folder, SHAPE, np.float16)
    digests = _digests(sum(counts))
    start = 0
    for count in counts:
        part = digests[start : start + count]
        store.append(part, _features(part))
        start += count
    return store, digests


def _chunk_files(store: feature_store.FeatureStore) -> list[Path]:
    return sorted(store.folder.glob("*.*chunk"), key=lambda path: path.stat().st_mtime_ns)


def test_what_was_appended_is_read_back_in_any_order(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path / "store", 7, 1, 20)
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(28), 2))

    rows = store.read(store.locate(digests[order]))

    np.testing.assert_array_equal(rows, _features(digests[order]))
    assert rows.dtype == np.float16


def test_rows_are_read_into_the_given_array(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path / "store", 9)
    out = np.empty((9, *SHAPE), np.float16)

    assert store.read(store.locate(digests), out) is out
    np.testing.assert_array_equal(out, _features(digests))


def test_another_process_would_find_the_same(tmp_path: Path) -> None:
    _, digests = _filled(tmp_path / "store", 4, 4)

    again = FeatureStore(tmp_path / "store", SHAPE, np.float16)

    np.testing.assert_array_equal(again.read(again.locate(digests)), _features(digests))
    assert len(again) == 8


def test_missing_names_each_absent_image_once(tmp_path: Path) -> None:
    store, known = _filled(tmp_path / "store", 5)
    new = _digests(3, seed=9)
    asked = np.concatenate([new[:2], known, new[1:], known[:1]])

    np.testing.assert_array_equal(store.missing(asked), [0, 1, 8])
    assert store.missing(known).tolist() == []
    assert store.missing(known[:0]).tolist() == []


def test_an_empty_store_lacks_everything(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)

    np.testing.assert_array_equal(store.locate(_digests(3)), [-1, -1, -1])
    np.testing.assert_array_equal(store.missing(_digests(3)), [0, 1, 2])


def test_digests_that_differ_only_by_zero_bytes_are_told_apart(tmp_path: Path) -> None:
    digests = np.zeros((4, 16), np.uint8)
    digests[1, 0] = digests[2, 15] = digests[3, 7] = 1
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    store.append(digests[[3, 1]], _features(digests[[3, 1]]))
    store.append(digests[[0]], _features(digests[[0]]))

    np.testing.assert_array_equal(store.missing(digests), [2])
    positions = store.locate(digests[[0, 1, 3]])
    np.testing.assert_array_equal(store.read(positions), _features(digests[[0, 1, 3]]))


def test_an_image_that_stands_in_two_chunks_counts_once(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path / "store", 5)
    store.append(digests, _features(digests))

    assert len(store) == 5
    np.testing.assert_array_equal(store.read(store.locate(digests)), _features(digests))


def test_chunks_of_other_processes_are_seen_after_a_refresh(tmp_path: Path) -> None:
    reader = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    _, digests = _filled(tmp_path / "store", 6)

    assert (reader.locate(digests) == -1).all()
    reader.refresh()
    np.testing.assert_array_equal(reader.read(reader.locate(digests)), _features(digests))


def test_absent_rows_are_named_and_all_others_are_right(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path / "store", 6)
    positions = store.locate(np.concatenate([digests[:3], _digests(1, seed=5), digests[3:]]))
    out = np.zeros((7, *SHAPE), np.float16)

    with pytest.raises(MissingFeaturesError) as caught:
        store.read(positions, out)

    np.testing.assert_array_equal(caught.value.indices, [3])
    np.testing.assert_array_equal(out[[0, 1, 2, 4, 5, 6]], _features(digests))


def _flip_bit(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("offset", [0, 100, 7 * 30 - 1])
def test_a_bit_that_flipped_in_the_features_drops_the_chunk(
    tmp_path: Path, offset: int, caplog: pytest.LogCaptureFixture
) -> None:
    _, digests = _filled(tmp_path / "store", 7, 5)
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    damaged = next(path for path in _chunk_files(store) if len(Chunk(path, SHAPE, store.dtype)) > 5)
    _flip_bit(damaged, offset)

    with caplog.at_level(logging.WARNING), pytest.raises(MissingFeaturesError):
        store.read(store.locate(digests))

    assert "is damaged" in caplog.text
    assert not damaged.exists()
    np.testing.assert_array_equal(store.missing(digests), np.arange(7))
    store.append(digests[:7], _features(digests[:7]))
    np.testing.assert_array_equal(store.read(store.locate(digests)), _features(digests))


def test_no_flipped_bit_anywhere_ever_gives_a_wrong_row(tmp_path: Path, suffix: str) -> None:
    store, digests = _filled(tmp_path / "store", 3)
    whole = _chunk_files(store)[0].read_bytes()
    for offset in range(len(whole)):
        folder = tmp_path / f"flipped-{offset}"
        folder.mkdir()
        (folder / f"x{suffix}").write_bytes(whole)
        _flip_bit(folder / f"x{suffix}", offset)
        flipped = FeatureStore(folder, SHAPE, np.float16)
        try:
            rows = flipped.read(flipped.locate(digests))
        except MissingFeaturesError:
            continue
        np.testing.assert_array_equal(rows, _features(digests), err_msg=f"byte {offset}")


def _index(content: bytes) -> bytes:
    """The index of a chunk."""
    per_row = (
        INDEX_BYTES if content[-FOOTER_BYTES:].startswith(b"FSCHUNK1") else COMPRESSED_INDEX_BYTES
    )
    rows, _ = struct.unpack("<QQ", content[-FOOTER_BYTES + 8 : -4])
    return content[-FOOTER_BYTES - rows * per_row : -FOOTER_BYTES]


def _with_index(content: bytes, index: bytes) -> bytes:
    """A chunk with another index, and the footer that fits it."""
    checksum = zlib.crc32(index, zlib.crc32(content[-FOOTER_BYTES + 8 : -4]))
    data = content[: -FOOTER_BYTES - len(index)]
    return data + index + content[-FOOTER_BYTES:-4] + struct.pack("<I", checksum)


def test_a_row_never_passes_for_that_of_another_image(tmp_path: Path) -> None:
    """Two digests are exchanged, and the footer is what it would be had they been written so."""
    _, digests = _filled(tmp_path / "store", 2)
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    (path,) = _chunk_files(store)
    content = path.read_bytes()
    index = _index(content)
    path.write_bytes(_with_index(content, index[16:32] + index[:16] + index[32:]))

    exchanged_store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    assert len(exchanged_store) == 2
    with pytest.raises(MissingFeaturesError):
        exchanged_store.read(exchanged_store.locate(digests))


def test_a_chunk_cut_short_anywhere_is_dropped(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, digests = _filled(tmp_path / "store", 4)
    whole = _chunk_files(store)[0].read_bytes()
    for length in range(0, len(whole), 5):
        caplog.clear()
        folder = tmp_path / f"cut-{length}"
        folder.mkdir()
        (folder / f"x{suffix}").write_bytes(whole[:length])
        cut = FeatureStore(folder, SHAPE, np.float16)

        assert len(cut.missing(digests)) == 4
        assert not (folder / f"x{suffix}").exists()
        assert "is damaged" in caplog.text


def test_a_chunk_that_is_cut_after_it_was_opened_is_dropped(tmp_path: Path) -> None:
    _, digests = _filled(tmp_path / "store", 4)
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    path = _chunk_files(store)[0]
    path.write_bytes(path.read_bytes()[:50])

    with pytest.raises(MissingFeaturesError):
        store.read(store.locate(digests))
    assert len(store.missing(digests)) == 4


def test_a_file_of_a_few_bytes_is_no_chunk_however_small_a_row_is(
    tmp_path: Path, suffix: str
) -> None:
    for size in range(FOOTER_BYTES + INDEX_BYTES + 8):
        (tmp_path / f"x{suffix}").write_bytes(bytes(size))
        assert len(FeatureStore(tmp_path, (1,), np.float32).missing(_digests(4))) == 4
        assert not (tmp_path / f"x{suffix}").exists(), size


def test_a_damaged_chunk_that_another_process_has_removed_is_only_dropped(tmp_path: Path) -> None:
    _, digests = _filled(tmp_path / "store", 4)
    stores = [FeatureStore(tmp_path / "store", SHAPE, np.float16) for _ in range(2)]
    found = [store.locate(digests) for store in stores]
    _flip_bit(_chunk_files(stores[0])[0], 70)
    for store, at in zip(stores, found, strict=True):
        with pytest.raises(MissingFeaturesError):
            store.read(at)
    assert stores[1].verify().unreadable == ()


def test_a_chunk_of_another_shape_is_not_taken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write_chunk(path, _digests(4), np.zeros((4, 6), np.float16))

    with pytest.raises(ChunkDamagedError):
        Chunk(path, (5,), np.dtype(np.float16))


def test_verify_finds_what_is_damaged_and_keeps_the_rest(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path / "store", 4, 5, 6)
    store.read(store.locate(digests))
    damaged = _chunk_files(store)[1]
    _flip_bit(damaged, 70)

    found = store.verify()

    assert (found.chunks, found.rows, found.dropped) == (2, 10, (damaged.name,))
    assert len(store.missing(digests)) == 5


def test_a_store_that_is_removed_while_open_is_missing_and_can_be_filled_again(
    tmp_path: Path,
) -> None:
    _, digests = _filled(tmp_path / "store", 4)
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    shutil.rmtree(tmp_path / "store")

    with pytest.raises(MissingFeaturesError):
        store.read(store.locate(digests))
    store.append(digests, _features(digests))
    np.testing.assert_array_equal(store.read(store.locate(digests)), _features(digests))


def test_only_old_temporary_files_are_leftovers(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path / "store", 4)
    old, new = store.folder / ".a.chunk.1.tmp", store.folder / ".b.chunk.2.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))

    store.remove_leftovers()

    assert not old.exists()
    assert new.exists()
    assert len(store.missing(digests)) == 0


def test_bytes_needed_is_what_the_store_then_takes(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    count = store.rows_per_chunk + 3
    digests = _digests(count)
    store.append(digests[:-3], _features(digests[:-3]))
    store.append(digests[-3:], _features(digests[-3:]))

    assert store.size_bytes() == store.bytes_needed(count)


def test_a_chunk_is_bounded_in_bytes_and_in_rows(tmp_path: Path) -> None:
    large = FeatureStore(tmp_path / "large", (12, 14, 1024), np.float16)
    small = FeatureStore(tmp_path / "small", (8,), np.float16)
    huge = FeatureStore(tmp_path / "huge", (2**27,), np.float16)

    assert large.rows_per_chunk * large.row_bytes <= 64 * 2**20
    assert small.rows_per_chunk == 512
    assert huge.rows_per_chunk == 1


def test_a_disk_that_is_too_small_is_an_error_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = _filled(tmp_path / "store", 9)
    usage = namedtuple("usage", "total used free")
    free = store.bytes_needed(1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free))

    store.require_space(1000)
    with pytest.raises(FacesimError, match=r"1,001 images take .* FACESIM_CACHE"):
        store.require_space(1001)


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_disk_that_becomes_full_is_a_clear_error_and_leaves_a_right_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    store, digests = _filled(tmp_path / "store", 4)
    new = _digests(5, seed=3)
    synced = [0]

    def full(descriptor: int) -> Any:
        synced[0] += 1
        if synced[0] > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        for _ in range(room // 2):  # a file and its folder, each is synchronised
            store.append(new[:1], _features(new[:1]))
        with pytest.raises(FacesimError, match="the disk is full"):
            store.append(new, _features(new))

    again = FeatureStore(tmp_path / "store", SHAPE, np.float16)
    everything = np.concatenate([digests, new])
    positions = again.locate(everything)
    found = everything[positions >= 0]
    assert len(found) >= 4
    np.testing.assert_array_equal(again.read(positions[positions >= 0]), _features(found))
    assert not [path for path in store.folder.iterdir() if path.suffix == ".tmp"]
