"""Images as a notebook has them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesim.data.images import as_list, pixels_of
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError

SMALL = Preprocessing(size=(4, 6), crop=(1, 1, 10, 8))
RGB = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)


def test_every_form_of_an_image_has_the_same_pixels(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "face.png")
    expected = SMALL.decode(tmp_path / "face.png")
    assert expected.shape == (4, 6, 3)
    for form in (str(tmp_path / "face.png"), RGB, Image.fromarray(RGB)):
        assert np.array_equal(pixels_of(form, SMALL), expected)
    with Image.open(tmp_path / "face.png") as lazily:
        assert np.array_equal(pixels_of(lazily, SMALL), expected)


def test_grey_arrays_are_repeated() -> None:
    pixels = pixels_of(RGB[..., 0], SMALL)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_an_image_in_memory_is_turned_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=turned)
    upright = Preprocessing(size=(14, 12))
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(pixels_of(image, upright), upright.decode(tmp_path / "turned.png"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (RGB.astype(np.float32), r"array float32 \[12, 14, 3\] is not an image; pass uint8"),
        (RGB[..., :2], r"array uint8 \[12, 14, 2\] is not an image"),
        (RGB[0, 0], r"array uint8 \[3\] is not an image"),
        (5, "an object of class int is not an image; pass a path, an array or an image of Pillow"),
        (Image.new("F", (20, 20)), "mode 'F'"),
        (RGB[:4], "the crop .* exceeds the image"),
    ],
)
def test_what_is_not_an_image_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pixels_of(wrong, SMALL)


def test_one_image_is_a_list_of_one() -> None:
    for one in ("a.png", Path("a.png"), Image.new("RGB", (2, 2))):
        assert as_list(one) == [one]
    assert len(as_list(RGB)) == 1
    assert len(as_list(np.stack([RGB, RGB]))) == 2
    assert as_list(name for name in ("a", "b")) == ["a", "b"]
