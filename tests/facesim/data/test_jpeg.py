"""The short way gives Pillow's pixels, bit for bit, or leaves the file to Pillow."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facesim.data.jpeg import decode_plain_jpeg

ANY = 10**9


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def _encode(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", **options)
    return buffer.getvalue()


def _pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    smooth=st.booleans(),
)
def test_the_pixels_are_those_of_pillow(
    height: int, width: int, quality: int, subsampling: int, progressive: bool, smooth: bool
) -> None:
    image = Image.fromarray(_noise(4, 4) if smooth else _noise(height, width))
    data = _encode(
        image.resize((width, height)),
        quality=quality,
        subsampling=subsampling,
        progressive=progressive,
    )
    pixels = decode_plain_jpeg(data, ANY)
    assert pixels is not None
    assert np.array_equal(pixels, _pillow(data))


@settings(deadline=None, max_examples=200)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damage_is_left_to_pillow_or_decodes_to_its_pixels(data: st.DataObject) -> None:
    damaged = bytearray(_encode(Image.fromarray(_noise(24, 24))))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    pixels = decode_plain_jpeg(bytes(damaged), 10**6)
    if pixels is not None:
        assert np.array_equal(pixels, _pillow(bytes(damaged)))


def test_a_truncated_file_is_left_to_pillow() -> None:
    data = _encode(Image.fromarray(_noise(24, 24)))
    assert decode_plain_jpeg(data[:-100], ANY) is None


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_left_to_pillow(mode: str) -> None:
    assert decode_plain_jpeg(_encode(Image.new(mode, (8, 8))), ANY) is None


def test_what_may_turn_the_picture_is_left_to_pillow() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(_noise(8, 8))
    assert decode_plain_jpeg(_encode(image, exif=exif), ANY) is None
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    assert decode_plain_jpeg(_encode(image, xmp=xmp), ANY) is None


def test_too_many_pixels_are_not_decoded() -> None:
    data = _encode(Image.fromarray(_noise(8, 8)))
    assert decode_plain_jpeg(data, 64) is not None
    assert decode_plain_jpeg(data, 63) is None


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_jpeg_is_left_to_pillow(data: bytes) -> None:
    assert decode_plain_jpeg(data, ANY) is None


def test_real_faces_have_the_pixels_of_pillow(celeba: Path) -> None:
    for path in sorted((celeba / "img_align_celeba").glob("*.jpg"))[::50]:
        pixels = decode_plain_jpeg(path.read_bytes(), ANY)
        assert pixels is not None
        assert np.array_equal(pixels, _pillow(path.read_bytes()))
