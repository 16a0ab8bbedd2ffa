"""Properties of image files, of images whose every pixel is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesim.data.linter.image_properties import PROPERTIES, mid_ranks, read_properties
from facesim.data.tables import build_table
from facesim.errors import DataError


def read(folder: Path, image: Image.Image, name: str = "a.png", **settings: Any) -> pd.Series:
    image.save(folder / name, **settings)
    table = build_table(folder, np.array([name], dtype=object), np.array(["one"]))
    found = read_properties(table, np.array([0]))
    assert [*found.columns] == [*PROPERTIES]
    return found.iloc[0]


def test_an_image_of_one_colour_has_its_brightness_and_saturation_and_no_contrast(
    tmp_path: Path,
) -> None:
    """Grey is 0.299 red + 0.587 green + 0.114 blue: of (100, 50, 0), 59."""
    found = read(tmp_path, Image.new("RGB", (40, 20), (100, 50, 0)))
    assert (found["encoding"], found["size"], found["subsampling"]) == (
        "PNG RGB",
        "20 x 40",
        "none",
    )
    assert (found["pixels"], found["aspect"], found["quality"]) == (800, 2.0, 100)
    assert found["bytes"] == (tmp_path / "a.png").stat().st_size / 800
    assert (found["sharpness"], found["brightness"], found["contrast"]) == (0, 59, 0)
    assert found["saturation"] == 100


def test_the_sharpness_is_the_deviation_of_the_laplacian_in_the_middle(tmp_path: Path) -> None:
    """A fifth at each edge is left out; a naive loop over the rest."""
    grey = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    middle = grey[4:16, 6:24].astype(int)
    laplacian = [
        middle[y - 1, x] + middle[y + 1, x] + middle[y, x - 1] + middle[y, x + 1] - 4 * middle[y, x]
        for y in range(1, 11)
        for x in range(1, 17)
    ]
    found = read(tmp_path, Image.fromarray(grey))
    assert found["sharpness"] == pytest.approx(np.std(laplacian))
    assert found["contrast"] == pytest.approx(grey.std())
    assert found["encoding"] == "PNG L"


@pytest.mark.parametrize(("side", "is_measured"), [(11, False), (12, True)])
def test_a_tiny_image_has_no_sharpness(tmp_path: Path, side: int, *, is_measured: bool) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (side, 40)).astype(np.uint8)
    assert (read(tmp_path, Image.fromarray(grey))["sharpness"] > 0) == is_measured


@pytest.mark.parametrize(("sampling", "told"), [(0, "1x1"), (2, "2x2")])
def test_a_jpeg_has_its_subsampling_and_quality(tmp_path: Path, sampling: int, told: str) -> None:
    image = Image.new("RGB", (32, 32), (1, 2, 3))
    for quality in (30, 50, 75, 95):
        found = read(tmp_path, image, f"{quality}.jpg", quality=quality, subsampling=sampling)
        assert (found["subsampling"], found["quality"]) == (told, pytest.approx(quality, abs=1))


def test_both_decoders_of_jpeg_give_the_same_properties(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (45, 60, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 1  # upright, but left to Pillow
    plain = read(tmp_path, noise, "plain.jpg", quality=90)
    with_exif = read(tmp_path, noise, "exif.jpg", quality=90, exif=exif)
    assert plain.drop("bytes").equals(with_exif.drop("bytes"))


def test_a_turned_photograph_has_the_size_in_which_it_is_seen(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20))
    turned = image.getexif()
    turned[0x0112] = 6
    assert read(tmp_path, image, "a.jpg", exif=turned)["size"] == "40 x 20"


def test_rows_come_in_the_order_that_is_asked_for_and_each_is_counted(tmp_path: Path) -> None:
    names = np.array(["0.png", "1.png", "2.png"], dtype=object)
    for level, name in enumerate(names):
        Image.new("L", (8, 8), 50 * level).save(tmp_path / name)
    counted: list[int] = []
    table = build_table(tmp_path, names, np.array(["a", "b", "c"]))
    found = read_properties(table, np.array([2, 0]), counted.append)
    assert found["brightness"].tolist() == [100, 0]
    assert counted == [1, 1]


def test_an_image_that_is_none_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    table = build_table(tmp_path, np.array(["a.png"], dtype=object), np.array(["one"]))
    with pytest.raises(DataError, match=r"a\.png: "):
        read_properties(table, np.array([0]))
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: cannot be read: "):
        read_properties(table, np.array([0]))


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert mid_ranks(np.array([7.0, 1.0, 7.0, 3.0])) == pytest.approx([0.625, 0.0, 0.625, 0.25])
    assert mid_ranks(np.array([5.0, 5.0])).tolist() == [0.25, 0.25]
    assert mid_ranks(np.array([])).tolist() == []
