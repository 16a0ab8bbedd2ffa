"""Pixels that are kept in memory are those of the file, decoded once."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facesim.data import decoding, loader
from facesim.data.loader import load_images
from facesim.data.pixel_memory import PixelMemory
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError
from facesim.interfaces import FaceTable

SIDE = 8
BYTES = SIDE * SIDE * 3


class Reads:
    """Loads images, and counts how often each file is read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self.table = FaceTable(
            folder,
            np.array([f"{row}.png" for row in range(6)]),
            np.arange(6),
            np.array(list("abcdef")),
        )
        for row in range(6):
            self.draw(row, seed=row)
        read = decoding.read_image

        def counted(path: Path) -> bytes:
            self.counts[path.name] += 1
            return read(path)

        monkeypatch.setattr(loader, "read_image", counted)

    def draw(self, row: int, seed: int) -> None:
        noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(noise).save(self.table.path(row), compress_level=0)

    def load(self, preprocessing: Preprocessing, workers: int = 0) -> torch.Tensor:
        rows = np.arange(len(self.table))
        memory = PixelMemory(preprocessing)
        parts = load_images(
            self.table, rows, preprocessing, batch_size=4, workers=workers, memory=memory
        )
        found = torch.cat(list(parts))
        for row, pixels in enumerate(found):
            expected = preprocessing.decode(self.table.path(row))
            assert np.array_equal(pixels.permute(1, 2, 0), expected)
        return found


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reads:
    monkeypatch.setattr(PixelMemory, "_everything", {})
    monkeypatch.setattr(PixelMemory, "_room", 100 * BYTES)
    return Reads(tmp_path, monkeypatch)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_is_decoded_once_whoever_asks(reads: Reads, workers: int) -> None:
    for _ in range(3):
        reads.load(Preprocessing(size=(SIDE, SIDE)), workers)
    assert set(reads.counts.values()) == {1}


def test_who_changes_what_he_gets_does_not_change_what_is_kept(reads: Reads) -> None:
    for _ in range(2):
        reads.load(Preprocessing(size=(SIDE, SIDE))).zero_()


def test_a_file_that_has_changed_is_decoded_again(reads: Reads) -> None:
    preprocessing = Preprocessing(size=(SIDE, SIDE))
    reads.load(preprocessing)
    reads.draw(2, seed=9)
    reads.load(preprocessing)
    assert reads.counts["2.png"] == 2
    reads.load(preprocessing)
    assert reads.counts["2.png"] == 2
    reads.table.path(3).unlink()
    with pytest.raises(DataError, match=r"3\.png: .* \(row 3 of its table\)"):
        reads.load(preprocessing)


def test_another_preprocessing_has_other_pixels(reads: Reads) -> None:
    for _ in range(2):
        reads.load(Preprocessing(size=(SIDE, SIDE)))
        reads.load(Preprocessing(size=(SIDE, SIDE), crop=(1, 1, SIDE, SIDE)))
    assert set(reads.counts.values()) == {2}


def test_what_is_kept_is_bounded(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images fit, the others are decoded each time."""
    monkeypatch.setattr(PixelMemory, "_room", 4 * BYTES)
    for _ in range(3):
        reads.load(Preprocessing(size=(SIDE, SIDE)))
    assert sorted(reads.counts.values()) == [1, 1, 1, 1, 3, 3]


def test_where_there_is_no_room_other_preprocessings_make_some(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PixelMemory, "_room", 6 * BYTES)
    first, second = (Preprocessing(size=(SIDE, SIDE), crop=crop) for crop in (None, (1, 1, 8, 8)))
    for preprocessing in (first, first, second, second, first):
        reads.load(preprocessing)
    assert set(reads.counts.values()) == {3}
