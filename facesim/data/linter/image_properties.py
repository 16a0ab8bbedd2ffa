"""Properties of image files that have nothing to do with who is shown."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageOps

from facesim.arrays import FloatArray, Int64Array
from facesim.data.decoding import MAX_PIXELS, decode_plain_jpeg, opened_image, read_image
from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.reporters import ignore_progress

_LUMA_SUM = 3688.0
"""Of the luminance quantisation table of ITU-T T.81, annex K, which is libjpeg's quality 50."""


@dataclass(frozen=True)
class Property:
    """A property of an image file.

    Attributes:
        name: as messages call it.
        categorical: whether values are compared for equality only.
        unit: behind a number.
    """

    name: str
    categorical: bool
    unit: str = ""


PROPERTIES = {
    "encoding": Property("encoding", categorical=True),
    "size": Property("height x width in pixels", categorical=True),
    "subsampling": Property("chroma subsampling", categorical=True),
    "pixels": Property("pixels per image", categorical=False),
    "aspect": Property("width / height", categorical=False),
    "quality": Property("JPEG quality", categorical=False),
    "bytes": Property("bytes per pixel", categorical=False),
    "sharpness": Property("sharpness (standard deviation of the Laplacian)", categorical=False),
    "brightness": Property("brightness", categorical=False, unit=" of 255"),
    "contrast": Property("contrast (standard deviation)", categorical=False, unit=" of 255"),
    "saturation": Property("saturation", categorical=False, unit=" of 255"),
}
"""By column of :func:`read_properties`."""


def read_properties(
    table: FaceTable, rows: Int64Array, advance: Callable[[int], None] = ignore_progress
) -> pd.DataFrame:
    """The properties of some images of a table.

    Args:
        table: the images.
        rows: int64 [N].
        advance: called with the number of images just done.

    Returns:
        N rows in the order of ``rows``, a column per :data:`PROPERTIES`. The quality of what is not
        a JPEG, whose quantisation is none, is 100.

    Raises:
        DataError: an image cannot be read.
    """
    found = []
    with ThreadPoolExecutor() as pool:  # decoding releases Python's lock
        for properties in pool.map(lambda row: _of_file(table.path(int(row))), rows):
            found.append(properties)
            advance(1)
    return pd.DataFrame(found, columns=list(PROPERTIES))


def _of_file(path: Path) -> tuple[str | float, ...]:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    return _measured(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=20_000)  # trials of a search lint the same images
def _measured(path: Path, size: int, changed: int) -> tuple[str | float, ...]:  # noqa: ARG001
    data = read_image(path)
    try:
        with opened_image(data) as image:
            encoding = f"{image.format} {image.mode}"
            quality = _jpeg_quality(image)
            layers = getattr(image, "layer", None)
            subsampling = "none" if not layers else f"{layers[0][1]}x{layers[0][2]}"
            plain = decode_plain_jpeg(data, MAX_PIXELS)
            if plain is None:
                upright = ImageOps.exif_transpose(image).convert("RGB")
            else:
                upright = Image.fromarray(plain)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    width, height = upright.size
    grey = np.asarray(upright.convert("L"))
    small = np.asarray(upright.resize((32, 32)), np.float32)  # colours need no detail
    return (
        encoding,
        f"{height} x {width}",
        subsampling,
        float(width * height),
        width / height,
        quality,
        len(data) / (width * height),
        _sharpness(grey),
        float(grey.mean()),
        float(grey.std()),
        float((small.max(axis=2) - small.min(axis=2)).mean()),
    )


def _jpeg_quality(image: Image.Image) -> float:
    """The quality at which libjpeg would have quantised so: 1 to 100."""
    tables = getattr(image, "quantization", None)
    if not tables:
        return 100.0
    scale = 100.0 * sum(tables[min(tables)]) / _LUMA_SUM
    return float(round(min(100.0, (200.0 - scale) / 2 if scale < 100 else 5000.0 / scale)))


def _sharpness(grey: npt.NDArray[np.uint8]) -> float:
    """The standard deviation of the Laplacian in the middle, where the face is."""
    height, width = grey.shape
    if min(height, width) < 12:
        return 0.0
    middle = grey[height // 5 : -(height // 5), width // 5 : -(width // 5)].astype(np.int16)
    laplacian = (
        middle[1:-1, :-2]
        + middle[1:-1, 2:]
        + middle[:-2, 1:-1]
        + middle[2:, 1:-1]
        - 4 * middle[1:-1, 1:-1]
    )
    return float(laplacian.std())


def mid_ranks(values: FloatArray) -> FloatArray:
    """The ranks of values from 0 to 1, equal ones sharing their mean: float64 [N]."""
    _, of_value, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray((ranks / max(len(values), 1))[of_value.ravel()])
