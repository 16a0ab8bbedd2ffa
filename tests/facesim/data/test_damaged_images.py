"""Damaged and strange image files: a DataError that names the file, whichever way they are read."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from facesim.data.decoding import decode_image
from facesim.data.linter.image_properties import read_properties
from facesim.errors import DataError
from facesim.interfaces import FaceTable

_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06"

SAVED: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("RGB", {}),
    "progressive JPEG": ("RGB", {"progressive": True}),
    "grey JPEG": ("L", {}),
    "CMYK JPEG": ("CMYK", {}),
    "JPEG with EXIF": (
        "RGB",
        {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06"},
    ),
    "PNG": ("RGB", {}),
    "palette PNG": ("P", {}),
    "transparent PNG": ("RGBA", {}),
    "16-bit PNG": ("I;16", {}),
    "1-bit PNG": ("1", {}),
    "BMP": ("RGB", {}),
    "palette BMP": ("P", {}),
    "GIF": ("P", {}),
    "PPM": ("RGB", {}),
    "TIFF": ("RGB", {}),
    "LZW TIFF": ("RGB", {"compression": "tiff_lzw"}),
    "32-bit TIFF": ("F", {}),
    "WEBP": ("RGB", {}),
    "lossless WEBP": ("RGBA", {"lossless": True}),
}


def saved(name: str) -> bytes:
    mode, options = SAVED[name]
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image = image.convert("L").convert(mode) if mode in ("I;16", "F") else image.convert(mode)
    file = io.BytesIO()
    image.save(file, name.rpartition(" ")[2] if "EXIF" not in name else "JPEG", **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def header(width: int, height: int, bits: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)


PIXELS = (b"IDAT", zlib.compress(b"\0" + bytes(60)) * 20)
END = (b"IEND", b"")


def _two_images() -> bytes:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


STRANGE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"img,ids\n1.jpg,1\n",
    "zeros": lambda: bytes(5000),
    "palette without its colours": lambda: png(header(20, 20, 8, 3), PIXELS, END),
    "no pixels": lambda: png(header(20, 20), END),
    "no width": lambda: png(header(0, 20), PIXELS, END),
    "a colour type that is none": lambda: png(header(20, 20, 8, 5), PIXELS, END),
    "a bomb": lambda: png(header(2**16, 2**16), PIXELS, END),
    "a bomb beyond C": lambda: png(header(2**31 - 1, 2**31 - 1), PIXELS, END),
    "a BMP of negative size": lambda: saved("BMP")[:18] + struct.pack("<ii", -5, -5) + bytes(40),
    "a PPM without numbers": lambda: b"P6\n9999999999999999999999 1\n255\n",
    "a GIF of two images": _two_images,
    "a PNG text of a gigabyte": lambda: png(
        header(20, 20), (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)), PIXELS, END
    ),
    "a TIFF that is a loop": lambda: b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "an EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "an SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "start of a JPEG": lambda: b"\xff\xd8\xff",
    "EXIF that is none": lambda: (
        saved("JPEG")[:2] + b"\xff\xe1\x00\x10Exif\0\0garbage!" + saved("JPEG")[2:]
    ),
}


def damaged(content: bytes, random: Random) -> Iterator[bytes]:
    for _ in range(12):
        yield content[: random.randrange(len(content))]
    for _ in range(24):
        changed = bytearray(content)
        for _ in range(random.choice((1, 1, 3, 30))):
            # headers are short, and most of what goes wrong goes wrong there
            at = random.randrange(len(content) if random.random() < 0.4 else min(64, len(content)))
            changed[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        yield bytes(changed)
    at, size = random.randrange(len(content)), random.randrange(1, 40)
    yield content[:at] + content[at + size :]
    yield content[:at] + random.randbytes(size) + content[at:]


def read_in_every_way(path: Path) -> int:
    """In how many ways of two a file is an image; anything but a DataError that names it fails."""
    table = FaceTable(path.parent, np.array([path.name]), np.array([0]), np.array(["p"]))
    readings: list[Callable[[], object]] = [
        lambda: decode_image(path, (24, 20)),
        lambda: read_properties(table, np.array([0])),
    ]
    read = 0
    for reading in readings:
        try:
            reading()
        except DataError as error:
            if path.name not in str(error):
                pytest.fail(f"does not name the file: {error}")
        else:
            read += 1
    return read


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAVED)
def test_damage_to_a_file_of_each_format_is_named(tmp_path: Path, name: str) -> None:
    content = saved(name)
    path = tmp_path / "1.jpg"  # names tell nothing
    path.write_bytes(content)
    # the linter's properties do not need a range of values
    ways = 1 if name == "32-bit TIFF" else 2
    assert read_in_every_way(path) == ways
    for number, each in enumerate(damaged(content, Random(name))):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(each)
        assert read_in_every_way(path) in (0, ways)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "1.jpg"
    path.write_bytes(STRANGE[name]())
    assert read_in_every_way(path) == (2 if name in ("EXIF that is none",) else 0)
