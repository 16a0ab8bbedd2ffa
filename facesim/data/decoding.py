"""Decoding: an image file -> uint8 RGB pixels of a given size, or a DataError that names it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.features
import simplejpeg
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from facesim.alignment.fit import Fit, fit_image
from facesim.arrays import UInt8Array
from facesim.bounded import read_file
from facesim.errors import DataError
from facesim.machine_errors import why_unread

# Metadata that may ask for a rotation; such files are left to Pillow.
_EXIF = b"Exif\0\0"
_XMP = b"ns.adobe.com/xap"


def decode_plain_jpeg(
    data: bytes, max_pixels: int, into: UInt8Array | None = None, *, padded: bool = False
) -> UInt8Array | None:
    """Decode an intact colour JPEG without metadata.

    libjpeg-turbo decodes here as in Pillow, so that the pixels are the same.

    Args:
        data: the content of the file.
        max_pixels: the most that are decoded.
        into: an array that is filled and returned if the image has its shape.
        padded: whether any other result has a fourth byte per pixel, as Pillow keeps RGB.

    Returns:
        RGB, uint8 [H, W, 3], padded [H, W, 4]; None if the file is left to Pillow: another format
        or colour space, metadata that may rotate the image, any damage, more pixels than
        ``max_pixels``.
    """
    if not data.startswith(b"\xff\xd8\xff") or _EXIF in data or _XMP in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours != "YCbCr" or height * width > max_pixels:
            return None
        if into is not None and into.shape == (height, width, 3):
            simplejpeg.decode_jpeg(data, buffer=into)
            return into
        pixels: UInt8Array = simplejpeg.decode_jpeg(data, "RGBX" if padded else "RGB")
    except ValueError:
        return None
    return pixels


FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""Accepted formats. Pillow reads more, some by starting other programs."""

MAX_PIXELS = 64 * 2**20
"""An image that declares more in its header is refused before it is decoded."""

MAX_FILE_BYTES = 256 * 2**20
"""A larger file is refused without being read."""

_ON_ITS_SIDE = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

_GREY16 = ("I;16", "I;16B", "I;16L", "I;16N")
_CONVERTED_BY_PILLOW = ("RGB", "L", "1", "P", "CMYK", "YCbCr")


def decode_image(
    path: Path,
    size: tuple[int, int],
    crop: tuple[int, int, int, int] | None = None,
    fit: Fit = "stretch",
) -> UInt8Array:
    """Decode one image, turn it upright, crop and resize it.

    Every image becomes 8-bit RGB: grey is repeated, palettes are looked up, CMYK is converted
    without its colour profile, 16-bit grey is scaled to 8 bits, and transparent pixels are blended
    with white. Animations and pixels without a fixed range (32-bit, floating point) are refused.

    Args:
        path: the file.
        size: (height, width) of the result, in pixels; see :func:`fit_image`.
        crop: (left, top, width, height) in the upright image, before the resize.
        fit: how the size is reached from another aspect ratio.

    Returns:
        RGB, uint8 [height, width, 3].

    Raises:
        DataError: unreadable, damaged, of a refused kind, or too large; or the crop exceeds it.
    """
    pixels = np.empty((*size, 3), np.uint8)
    decode_content(path, read_image(path), pixels, crop, fit)
    return pixels


def decode_content(
    path: Path,
    content: bytes,
    into: UInt8Array,
    crop: tuple[int, int, int, int] | None = None,
    fit: Fit = "stretch",
) -> None:
    """Decode the content of a file as :func:`decode_image` does, into an array.

    Args:
        path: of the file, for errors.
        content: of the file, as :func:`read_image` returns it.
        into: uint8 [height, width, 3], contiguous; its size is that of the result.
        crop: as of :func:`decode_image`.
        fit: as of :func:`decode_image`.

    Raises:
        DataError: as of :func:`decode_image`; ``into`` holds anything then.
    """
    whole = into if crop is None else None
    pixels = decode_plain_jpeg(content, MAX_PIXELS, whole, padded=True)
    if pixels is not None and pixels is whole:
        return
    try:
        with pillow_errors_named():
            upright = _in_pillow(pixels) if pixels is not None else _as_rgb(_open(content))
            image = fit_image(_crop(upright, crop), into.shape[:2], fit)
            into[...] = np.asarray(image.convert("RGB"))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def decode_upright(
    path: Path, content: bytes | None = None, *, padded: bool = False
) -> Image.Image:
    """The whole image of a file, RGB and upright, at its own size; as :func:`decode_image` reads.

    Args:
        path: the file.
        content: of the file, where it has been read.
        padded: whether the mode may be RGBX, which is made with one copy less.

    Raises:
        DataError: as there.
    """
    data = read_image(path) if content is None else content
    pixels = decode_plain_jpeg(data, MAX_PIXELS, padded=padded)
    try:
        with pillow_errors_named():
            return _in_pillow(pixels) if pixels is not None else _as_rgb(_open(data))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _in_pillow(pixels: UInt8Array) -> Image.Image:
    """An image of Pillow; padded pixels, which nothing may write any more, are not copied."""
    height, width, channels = pixels.shape
    if channels == 3:
        return Image.fromarray(pixels)
    return Image.frombuffer("RGBX", (width, height), pixels, "raw", "RGBX", 0, 1)


def convert_upright(image: Image.Image) -> Image.Image:
    """An image in memory as :func:`decode_upright` returns that of a file.

    Raises:
        DataError: it is of a refused kind or too large.
    """
    _judge(image)
    return _as_rgb(ImageOps.exif_transpose(image))


def convert_image(
    image: Image.Image,
    size: tuple[int, int],
    crop: tuple[int, int, int, int] | None = None,
    fit: Fit = "stretch",
) -> UInt8Array:
    """The pixels of an image in memory, as :func:`decode_image` returns those of a file.

    Raises:
        DataError: it is of a refused kind or too large, or the crop exceeds it.
    """
    return np.array(fit_image(_crop(convert_upright(image), crop), size, fit))


def read_size(path: Path) -> tuple[int, int]:
    """The width and height of the upright image of a file, read from its header alone.

    Raises:
        DataError: unreadable, or of a refused kind; the text names the file.
    """
    try:
        with pillow_errors_named(), Image.open(path, formats=FORMATS) as image:
            if image.format == "TIFF":  # Pillow swaps the sides when it is opened, or decoded
                return _as_rgb(ImageOps.exif_transpose(image)).size
            # Pillow's getexif of PNG would decode the image, to find a chunk behind the pixels.
            turned = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1) in _ON_ITS_SIDE
            width, height = image.size
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return (height, width) if turned else (width, height)


def decoder_versions() -> str:
    """The libraries that turn files into pixels; another version may round differently."""
    turbo = PIL.features.version("libjpeg_turbo") or PIL.features.version("jpg")
    return f"Pillow {PIL.__version__} with JPEG {turbo}, simplejpeg {version('simplejpeg')}"


def read_image(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        DataError: it cannot be read, is no regular file, or larger than :data:`MAX_FILE_BYTES`.
    """
    try:
        return read_file(path, MAX_FILE_BYTES)
    except OSError as error:
        raise DataError(f"{path}: {why_unread(error)}") from error


@contextmanager
def pillow_errors_named() -> Iterator[None]:
    """Turn whatever Pillow raises for a file into a DataError, which does not name the file."""
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(
            f"its header is not that of an image; facesim reads {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError as error:
        raise DataError(f"refused before decoding: {error}") from None
    except Exception as error:
        # Pillow's codecs raise whatever the damaged bytes happen to lead them to.
        raise DataError(f"damaged: {type(error).__name__}: {error}") from error


@contextmanager
def opened_image(data: bytes) -> Iterator[Image.Image]:
    """Open the bytes of an image with Pillow, once its header is accepted; it is not decoded yet.

    Raises:
        DataError: of a refused kind or too large, or whatever Pillow raises within the block.
    """
    if not data:
        raise DataError(f"it is empty; facesim reads {', '.join(FORMATS)}")
    with pillow_errors_named(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        _judge(image)
        yield image


def _open(data: bytes) -> Image.Image:
    """Decode, once the header is accepted, and apply the EXIF orientation."""
    with opened_image(data) as image:
        ImageOps.exif_transpose(image, in_place=True)
        image.load()
        return image


def _judge(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"refused before decoding: its header declares {height} x {width} pixels (height x "
            f"width); {MAX_PIXELS:,} are allowed"
        )
    # Further frames of a JPEG (MPO) are previews of the first, or its stereo partners.
    frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(
            f"it holds {frames} images; save the one that is meant as a file of its own"
        )


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _GREY16:
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    if image.mode in _CONVERTED_BY_PILLOW:
        return image.convert("RGB")
    raise DataError(
        f"its pixels are of Pillow's mode {image.mode!r}, which has no fixed range or is not "
        "RGB; save it as 8-bit RGB or grey"
    )


def _to_8_bits(grey: npt.NDArray[np.uint16]) -> UInt8Array:
    """0..65535 -> 0..255, rounded; Pillow's own conversion would clip."""
    return ((grey.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _crop(image: Image.Image, crop: tuple[int, int, int, int] | None) -> Image.Image:
    if crop is None:
        return image
    left, top, width, height = crop
    if left + width > image.width or top + height > image.height:
        raise DataError(
            f"the crop (left {left}, top {top}, width {width}, height {height}) exceeds "
            f"the image, which is {image.width} wide and {image.height} high"
        )
    return image.crop((left, top, left + width, top + height))
