"""Fits: which pixels an image of another aspect ratio becomes."""

import numpy as np
import pytest
from PIL import Image

from facesim.alignment.fit import Fit, Fitted, fit_image

FITS: tuple[Fit, ...] = ("letterbox", "crop", "stretch")


def photograph(height: int, width: int) -> Image.Image:
    """Noise without a dark pixel."""
    pixels = np.random.default_rng(0).integers(100, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def fitted(image: Image.Image, size: tuple[int, int], fit: Fit) -> np.ndarray:
    """Height, width, channels."""
    return np.asarray(fit_image(image, size, fit))


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((218, 178), (218, 178)),
        ((218, 178), (109, 89)),
        ((109, 89), (218, 178)),
        ((33, 21), (22, 14)),
        ((7, 13), (343, 637)),
    ],
)
def test_of_equal_aspect_ratios_all_make_the_bits_of_a_plain_resize(
    image: tuple[int, int], size: tuple[int, int]
) -> None:
    original = photograph(*image)
    plain = np.asarray(original.resize(size[::-1], Image.Resampling.BILINEAR))
    for fit in FITS:
        assert np.array_equal(fitted(original, size, fit), plain)


def test_stretch_is_a_plain_resize_of_any_image() -> None:
    original = photograph(100, 100)
    plain = np.asarray(original.resize((92, 112), Image.Resampling.BILINEAR))
    assert np.array_equal(fitted(original, (112, 92), "stretch"), plain)


@pytest.mark.parametrize("image", [(100, 100), (300, 200), (56, 92)])
def test_a_letterbox_holds_the_whole_image_undistorted_between_black_bars(
    image: tuple[int, int],
) -> None:
    original = photograph(*image)
    found = fitted(original, (112, 92), "letterbox")
    scale = min(112 / image[0], 92 / image[1])
    height, width = (round(side * scale) for side in image)
    top, left = (112 - height) // 2, (92 - width) // 2
    inside = found[top : top + height, left : left + width]
    plain = original.resize((width, height), Image.Resampling.BILINEAR)
    assert np.array_equal(inside, np.asarray(plain))
    assert found.astype(int).sum() == inside.astype(int).sum()  # the rest is black


def test_a_crop_is_the_middle_undistorted() -> None:
    height, width = 120, 92
    original = photograph(height, width)
    found = fitted(original, (112, 92), "crop")
    assert np.array_equal(found, np.asarray(original)[4:116])


@pytest.mark.parametrize(("image", "size"), [((1, 500), (112, 92)), ((500, 1), (1, 1))])
def test_an_image_of_any_shape_has_the_size_afterwards(
    image: tuple[int, int], size: tuple[int, int]
) -> None:
    for fit in FITS:
        assert fitted(photograph(*image), size, fit).shape == (*size, 3)


@pytest.mark.parametrize("image", [(100, 100), (300, 200), (56, 92), (112, 92)])
def test_what_a_fit_does_is_what_is_measured_of_its_pixels(image: tuple[int, int]) -> None:
    size, original = (112, 92), photograph(*image)
    height, width = image
    of = {fit: Fitted.of((width, height), size, fit) for fit in FITS}
    bars = float((fitted(original, size, "letterbox").max(axis=2) == 0).mean())
    assert of["letterbox"].black == pytest.approx(bars, abs=0.005)
    kept = min(height, width * 112 / 92) * min(width, height * 92 / 112)
    assert of["crop"].cut == pytest.approx(1 - kept / (height * width))
    assert of["letterbox"].magnified == pytest.approx(min(112 / height, 92 / width))
    assert of["crop"].magnified == pytest.approx(max(112 / height, 92 / width))
    assert of["stretch"].magnified == pytest.approx((112 * 92 / (height * width)) ** 0.5)
    ratio = (112 / height) / (92 / width)
    assert of["stretch"].squeezed == pytest.approx(max(ratio, 1 / ratio))
    assert {each.squeezed for each in (of["letterbox"], of["crop"])} == {1.0}
