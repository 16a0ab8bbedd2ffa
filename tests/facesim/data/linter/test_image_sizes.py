"""Sizes of images are counted from their headers, and what becomes of them is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesim.data.linter import image_sizes as module
from facesim.data.linter.image_sizes import image_sizes
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable


def table(folder: Path, *sizes: tuple[int, int]) -> FaceTable:
    """Black images of these widths and heights."""
    files = [f"{number}.png" for number in range(len(sizes))]
    for file, size in zip(files, sizes, strict=True):
        Image.new("L", size).save(folder / file)
    rows = np.arange(len(sizes))
    return FaceTable(folder, np.array(files), rows, rows.astype(str))


def test_one_size_is_said_in_a_word(tmp_path: Path) -> None:
    found = image_sizes(table(tmp_path, *[(100, 100)] * 4), Preprocessing((112, 92), fit="stretch"))
    assert found.in_words == "100 x 100 pixels (height x width)"
    assert found.effect == "as large, squeezed by 18%"
    assert (found.often_squeezed, found.often_magnified, found.frame) == (1.0, 0.0, (100, 100))


def test_frequent_smallest_and_largest_sizes_are_counted(tmp_path: Path) -> None:
    images = table(tmp_path, (30, 40), *[(92, 112)] * 5, *[(60, 60)] * 2, (20, 30), (200, 300))
    found = image_sizes(images, Preprocessing((112, 92), fit="letterbox"))
    assert found.in_words.startswith(
        "5 sizes, height x width: most often 112 x 92 (50%), 60 x 60 (20%), "
    )
    assert found.in_words.endswith("; smallest 30 x 20, largest 300 x 200")
    assert found.often_magnified == 0.2  # 30 x 40 and 20 x 30
    assert found.often_squeezed == 0


@pytest.mark.parametrize(
    ("preprocessing", "told"),
    [
        (Preprocessing((112, 92), fit="letterbox"), "0.92 times as large, black bars on 18%"),
        (Preprocessing((112, 92), fit="crop"), "1.1 times as large, cut off 18%"),
        (Preprocessing((60, 60), (0, 0, 20, 20), fit="stretch"), "3 times as large"),
    ],
)
def test_what_becomes_of_them_depends_on_fit_and_crop(
    tmp_path: Path, preprocessing: Preprocessing, told: str
) -> None:
    assert image_sizes(table(tmp_path, (100, 100)), preprocessing).effect == told


def test_of_aligned_faces_it_is_the_crop_that_is_magnified(tmp_path: Path) -> None:
    turned = np.array([[0.0, -25.0, 90.0], [20.0, 0.0, 40.0]])  # 20 wide and 25 high, on its side
    images = replace(table(tmp_path, *[(200, 100)] * 2), placements=np.stack([turned, 2 * turned]))
    found = image_sizes(images, Preprocessing((100, 80)))
    assert (found.fit, found.magnified, found.often_magnified) == (None, 3.0, 1.0)
    assert found.effect == "3 times as large"


def test_of_many_images_the_same_few_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = table(tmp_path, *[(10 + number, 10) for number in range(30)])
    monkeypatch.setattr(module, "SAMPLED_HEADERS", 12)
    found = image_sizes(images, Preprocessing((10, 10)))
    assert (found.images, found.read, found.different) == (30, 12, 12)
    assert "(of 12 images at random, always the same)" in found.in_words
    assert image_sizes(images, Preprocessing((10, 10))) == found
