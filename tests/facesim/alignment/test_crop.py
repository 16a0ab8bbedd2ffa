import numpy as np
import pytest
from PIL import Image

from facesim import Face
from facesim.alignment.crop import centred, crop_face
from facesim.alignment.template import TEMPLATES
from facesim.arrays import FloatArray, UInt8Array


def picture(height: int, width: int) -> UInt8Array:
    """Smooth colours, so that a resampled position can be read off."""
    y, x = np.mgrid[:height, :width]
    return (
        np.stack([x * 255 / width, y * 255 / height, x * 0 + 90], axis=2).round().astype(np.uint8)
    )


def test_the_whole_photograph_at_its_own_size_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    whole = centred((21, 34), (21, 34))
    assert np.array_equal(crop_face(Image.fromarray(pixels), whole, (21, 34)), pixels)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 7.3])
def test_a_large_face_is_averaged_and_keeps_its_place(scale: float) -> None:
    height, width = round(60 * scale) + 40, round(80 * scale) + 60
    placement = np.array([[80 * scale, 0, 23.0], [0, 60 * scale, 11.0]])
    crop = crop_face(Image.fromarray(picture(height, width)), placement, (60, 80)).astype(float)
    expected_x = (23 + (np.arange(80) + 0.5) * scale - 0.5) * 255 / width
    expected_y = (11 + (np.arange(60) + 0.5) * scale - 0.5) * 255 / height
    assert np.abs(crop[30, :, 0] - expected_x).max() < 1.5
    assert np.abs(crop[:, 40, 1] - expected_y).max() < 1.5


@pytest.mark.parametrize("scale", [0.5, 1, 3.3])
def test_padded_pixels_make_the_same_crop(scale: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 4), dtype=np.uint8)
    padded = Image.frombuffer("RGBX", (120, 90), pixels, "raw", "RGBX", 0, 1)
    placement = np.array([[30 * scale, 4, 23.0], [-4, 20 * scale, 31.0]])  # reaches beyond
    expected = crop_face(Image.fromarray(pixels[:, :, :3].copy()), placement, (20, 30))
    assert np.array_equal(crop_face(padded, placement, (20, 30)), expected)


def test_fine_detail_does_not_alias() -> None:
    stripes = np.zeros((500, 500, 3), np.uint8)
    stripes[:, ::2] = 255
    for scale in (3.0, 4.7, 5.0):
        placement = np.array([[90 * scale, 0, 10.0], [0, 90 * scale, 10.0]])
        crop = crop_face(Image.fromarray(stripes), placement, (90, 90))
        assert np.abs(crop.astype(float) - 127.5).max() < 45


def turned_quarter(points: FloatArray, width: int) -> FloatArray:
    """Where points lie once the image is turned by np.rot90."""
    return np.column_stack([points[:, 1], width - 1 - points[:, 0]])


def test_a_rotated_photograph_has_the_same_crop() -> None:
    pixels = picture(300, 260)
    points = np.array(TEMPLATES["arcface"].points) * 1.5 + (40, 60)
    upright = Face((0.0, 0.0, 1.0, 1.0), points, 1.0)
    turned = Face((0.0, 0.0, 1.0, 1.0), turned_quarter(points, 260), 1.0)
    template = TEMPLATES["arcface"]
    first = crop_face(Image.fromarray(pixels), template.place(upright), (112, 112))
    second = crop_face(Image.fromarray(np.rot90(pixels)), template.place(turned), (112, 112))
    assert np.abs(first.astype(int) - second).max() <= 1


def test_outside_of_the_photograph_it_is_black() -> None:
    white = Image.fromarray(np.full((50, 50, 3), 255, np.uint8))
    for scale in (1, 6):
        placement = np.array([[40.0 * scale, 0, 25], [0, 40.0 * scale, 25]])
        crop = crop_face(white, placement, (40, 40))
        assert crop[0, 0].min() == 255
        assert crop[-1, -1].max() == 0
    beyond = np.array([[400.0, 0, 900], [0, 400.0, 900]])
    assert not crop_face(white, beyond, (40, 40)).any()


@pytest.mark.parametrize(("photograph", "size"), [((100, 200), (50, 50)), ((200, 90), (20, 30))])
def test_the_centre_is_as_large_as_fits(photograph: tuple[int, int], size: tuple[int, int]) -> None:
    placement = centred(photograph, size)
    width, height = placement[0, 0], placement[1, 1]
    assert width / height == pytest.approx(size[1] / size[0])
    assert width == photograph[1] or height == photograph[0]
    centre = placement @ (0.5, 0.5, 1)
    np.testing.assert_allclose(centre, (photograph[1] / 2, photograph[0] / 2))
