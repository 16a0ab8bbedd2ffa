import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from facesim.alignment.fit import Fit, fit_image
from facesim.data import decoding
from facesim.data.decoding import decode_image, decode_plain_jpeg, decode_upright, read_size
from facesim.errors import DataError

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
    padded = decode_plain_jpeg(data, ANY, padded=True)
    into = np.empty((height, width, 3), np.uint8)
    assert decode_plain_jpeg(data, ANY, into, padded=True) is into
    assert pixels is not None
    assert padded is not None
    assert np.array_equal(pixels, _pillow(data))
    assert np.array_equal(padded[:, :, :3], pixels)
    assert np.array_equal(into, pixels)


def test_an_image_of_another_shape_is_not_decoded_into_an_array() -> None:
    data = _encode(Image.fromarray(_noise(8, 6)))
    into = np.zeros((6, 8, 3), np.uint8)
    pixels = decode_plain_jpeg(data, ANY, into)
    assert pixels is not None
    assert np.array_equal(pixels, _pillow(data))
    assert not into.any()


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


SIZE = (12, 10)


Crop = tuple[int, int, int, int]


def _photo(height: int = 12, width: int = 10) -> np.ndarray:
    """A smooth picture without symmetry, so that JPEG keeps it and a flip shows."""
    y, x = np.mgrid[0:height, 0:width]
    channels = (255 * x / width, 255 * y / height, 255 * (x + y) / (width + height))
    return np.stack(channels, axis=2).astype(np.uint8)


def _save(path: Path, array: np.ndarray, **options: Any) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def _pixels(path: Path, size: tuple[int, int] = SIZE, crop: Crop | None = None) -> np.ndarray:
    """Height, width, channels: as Pillow and numpy have them."""
    return decode_image(path, size, crop)


def test_an_rgb_picture_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", _photo())
    image = decode_image(path, SIZE)
    assert image.dtype == np.uint8
    assert image.shape == (12, 10, 3)
    assert np.array_equal(_pixels(path), _photo())


def test_the_pixels_may_be_written_to(tmp_path: Path) -> None:
    image = decode_image(_save(tmp_path / "a.png", _photo()), SIZE)
    image[:] = 0
    assert image.sum() == 0


@pytest.mark.parametrize("extension", ["bmp", "gif", "ppm", "tif", "webp", "png"])
def test_every_lossless_format_is_read(tmp_path: Path, extension: str) -> None:
    array = np.zeros((12, 10, 3), np.uint8)
    array[:6] = (255, 0, 0)
    options = {"lossless": True} if extension == "webp" else {}
    path = _save(tmp_path / f"a.{extension}", array, **options)
    assert np.array_equal(_pixels(path), array)


@pytest.mark.parametrize("crop", [None, (10, 4, 70, 30), (10, 4, SIZE[1], SIZE[0])])
@pytest.mark.parametrize("fit", ["letterbox", "crop", "stretch"])
def test_both_decoders_make_the_same_of_an_image_of_another_shape(
    tmp_path: Path, fit: Fit, crop: tuple[int, int, int, int] | None
) -> None:
    path = _save(tmp_path / "a.jpg", _noise(40, 90), quality=90)
    exif = Image.Exif()
    exif[0x0112] = 1
    with_metadata, data, metadata = tmp_path / "exif.jpg", path.read_bytes(), exif.tobytes()
    length = (2 + len(metadata)).to_bytes(2, "big")
    with_metadata.write_bytes(data[:2] + b"\xff\xe1" + length + metadata + data[2:])
    assert decode_plain_jpeg(with_metadata.read_bytes(), 10**6) is None
    found = decode_image(path, SIZE, crop, fit)
    assert np.array_equal(found, decode_image(with_metadata, SIZE, crop, fit))
    with Image.open(path) as image:
        box = crop and (crop[0], crop[1], crop[0] + crop[2], crop[1] + crop[3])
        assert np.array_equal(found, np.asarray(fit_image(image.crop(box), SIZE, fit)))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("shape", [(12, 10), (33, 47)])
def test_a_jpeg_has_the_pixels_that_pillow_gives(
    tmp_path: Path, subsampling: int, progressive: bool, shape: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    path = tmp_path / "a.jpg"
    _save(path, noise, subsampling=subsampling, progressive=progressive)
    with Image.open(path) as expected:
        assert np.array_equal(_pixels(path, shape), np.asarray(expected))


@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_grey_is_repeated(tmp_path: Path, extension: str) -> None:
    pixels = _pixels(_save(tmp_path / f"a.{extension}", np.full((12, 10), 77, np.uint8)))
    assert (pixels == 77).all()


def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 120).astype(np.uint16).reshape(12, 10)
    pixels = _pixels(_save(tmp_path / "a.png", values))
    assert np.array_equal(pixels[..., 0], np.round(values / 257).astype(np.uint8))
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_16_bit_big_endian_tiff_is_scaled(tmp_path: Path) -> None:
    values = np.full((12, 10), 32896, ">u2")
    Image.frombytes("I;16B", (10, 12), values.tobytes()).save(tmp_path / "a.tif")
    assert (_pixels(tmp_path / "a.tif") == 128).all()


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(_photo()).quantize(16)
    image.save(tmp_path / "a.png")
    assert np.array_equal(_pixels(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


def test_black_and_white_becomes_0_and_255(tmp_path: Path) -> None:
    image = Image.new("1", (10, 12))
    image.putpixel((3, 4), 1)
    image.save(tmp_path / "a.png")
    pixels = _pixels(tmp_path / "a.png")
    assert (pixels[4, 3] == 255).all()
    assert pixels.sum() == 3 * 255


def test_cmyk_jpeg_is_converted(tmp_path: Path) -> None:
    Image.new("CMYK", (10, 12), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(_pixels(tmp_path / "a.jpg").astype(int) - [255, 0, 0]).max() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_laid_over_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (10, 12), (0, 0, 0, 0)).convert(mode)
    image.paste(Image.new("RGBA", (10, 6), (0, 0, 0, 255)).convert(mode))
    image.save(tmp_path / "a.png")
    pixels = _pixels(tmp_path / "a.png")
    assert (pixels[:6] == 0).all()
    assert (pixels[6:] == 255).all()


def test_a_transparent_palette_entry_is_laid_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (10, 12), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(tmp_path / "a.png", transparency=1)
    assert (_pixels(tmp_path / "a.png") == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_an_exif_orientation_is_undone(tmp_path: Path, orientation: int, extension: str) -> None:
    upright = _photo(32, 16)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{extension}"
    _save(path, np.ascontiguousarray(stored), exif=exif, quality=100, subsampling=0)
    assert np.abs(_pixels(path, (32, 16)).astype(int) - upright).max() < 8


def test_the_crop_is_cut_from_the_upright_picture(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", _photo(20, 30))
    pixels = _pixels(path, size=(4, 5), crop=(7, 3, 5, 4))
    assert np.array_equal(pixels, _photo(20, 30)[3:7, 7:12])


@pytest.mark.parametrize("crop", [(6, 0, 5, 5), (0, 8, 5, 5)])
def test_a_crop_that_exceeds_the_image_is_refused(tmp_path: Path, crop: Crop) -> None:
    path = _save(tmp_path / "a.png", _photo())
    with pytest.raises(DataError, match=r"a\.png: the crop .* is 10 wide and 12 high"):
        decode_image(path, SIZE, crop)


def test_shrinking_averages_instead_of_skipping_pixels(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = _pixels(_save(tmp_path / "a.png", stripes), (8, 8))
    assert np.abs(pixels.astype(int) - 127).max() < 20


def test_a_truncated_jpeg_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "cut.jpg", _photo(64, 64))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"cut\.jpg: damaged: OSError: .*truncated"):
        decode_image(path, SIZE)


def test_a_picture_of_floats_is_refused_by_its_mode(tmp_path: Path) -> None:
    path = _save(tmp_path / "f.tif", np.ones((12, 10), np.float32))
    with pytest.raises(DataError, match=r"f\.tif: .*mode 'F'.*save it as 8-bit"):
        decode_image(path, SIZE)


@pytest.mark.parametrize("extension", ["gif", "png", "webp", "tif"])
def test_an_animation_is_refused(tmp_path: Path, extension: str) -> None:
    frames = [Image.new("RGB", (10, 12), colour) for colour in ("red", "blue")]
    path = tmp_path / f"film.{extension}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="it holds 2 images"):
        decode_image(path, SIZE)


def test_a_jpeg_with_a_preview_behind_it_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (10, 12), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.mpo", save_all=True, append_images=frames[1:], quality=95)
    assert np.abs(_pixels(tmp_path / "a.mpo").astype(int) - [254, 0, 0]).max() < 4


def test_text_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not a picture")
    with pytest.raises(DataError, match=r"a\.jpg: its header is not that of an image.*JPEG"):
        decode_image(tmp_path / "a.jpg", SIZE)


def test_a_format_that_starts_other_programs_is_not_opened(tmp_path: Path) -> None:
    _save(tmp_path / "a.eps", _photo())
    with pytest.raises(DataError, match="not that of an image"):
        decode_image(tmp_path / "a.eps", SIZE)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"a\.jpg: it is empty"):
        decode_image(tmp_path / "a.jpg", SIZE)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: there is no such file$"):
        decode_image(tmp_path / "gone.jpg", SIZE)
    with pytest.raises(DataError, match="not a file"):
        decode_image(tmp_path, SIZE)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="not a file"):
        decode_image(tmp_path / "a.jpg", SIZE)


def _png_announcing(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("side", [8_200, 9_500, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(_png_announcing(side, side))
    with pytest.raises(DataError, match=r"bomb\.png: refused before decoding"):
        decode_image(tmp_path / "bomb.png", SIZE)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(decoding.MAX_FILE_BYTES + 1)  # sparse: takes no disk
    with pytest.raises(DataError, match="more than 268,435,456 bytes"):
        decode_image(path, SIZE)


def _encoded(extension: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_photo(16, 16)).save(buffer, extension)
    return buffer.getvalue()


@pytest.mark.parametrize("extension", ["jpeg", "png", "gif", "tiff", "webp", "bmp", "ppm"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_give_pixels_or_a_data_error(
    tmp_path: Path, extension: str, data: st.DataObject
) -> None:
    damaged = bytearray(_encoded(extension))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    with contextlib.suppress(DataError):
        assert decode_image(path, SIZE).shape == (*SIZE, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp"])
def test_the_size_of_an_upright_image_is_read_from_its_header(
    tmp_path: Path, orientation: int, extension: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _save(tmp_path / f"a.{extension}", _noise(30, 50), exif=exif)
    assert read_size(path) == decode_upright(path).size
    if extension in ("jpg", "png"):  # no pixel is needed for it
        path.write_bytes(path.read_bytes()[:700])
        assert read_size(path) == ((30, 50) if orientation > 4 else (50, 30))


def test_a_size_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    for name, said in (("a.jpg", "not that of an image"), ("gone.jpg", "No such file")):
        with pytest.raises(DataError, match=f"{name}: .*{said}"):
            read_size(tmp_path / name)


def test_a_crop_may_touch_every_edge_of_the_image_and_not_exceed_it(tmp_path: Path) -> None:
    pixels = _noise(9, 7)
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    corner = decode_image(path, (4, 3), (4, 5, 3, 4))
    assert np.array_equal(corner, pixels[5:, 4:])
    whole = decode_image(path, (9, 7), (0, 0, 7, 9))
    assert np.array_equal(whole, pixels)
    for beyond in ((5, 5, 3, 4), (4, 6, 3, 4)):
        with pytest.raises(DataError, match="exceeds the image, which is 7 wide and 9 high"):
            decode_image(path, (4, 3), beyond)
