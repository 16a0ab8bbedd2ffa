"""Images as callers have them: files, arrays or PIL images."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import PIL.Image

from facesim.alignment.alignment import Placed
from facesim.arrays import UInt8Array
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError

Image: TypeAlias = str | Path | UInt8Array | PIL.Image.Image
"""A file, pixels uint8 [H, W, 3] (RGB) or [H, W] (grey), or an image of Pillow."""


def as_list(images: Image | Iterable[Image]) -> Sequence[Image]:
    """Several images; a single one is a list of one."""
    if isinstance(images, str | Path | PIL.Image.Image):
        return [images]
    of_names = isinstance(images, np.ndarray) and images.dtype.kind in "OU"
    if isinstance(images, np.ndarray) and images.ndim < 4 and not of_names:
        return [images]
    return list(images)


def pixels_of(image: Image, preprocessing: Preprocessing) -> UInt8Array:
    """What the network sees of an image, uint8 [height, width, 3].

    Raises:
        DataError: the file cannot be decoded, or the array is not an image.
    """
    return look_at(image, preprocessing)[0]


def look_at(image: Image, preprocessing: Preprocessing) -> tuple[UInt8Array, Placed | None]:
    """The same, and the face that is seen; None where none is looked for.

    Raises:
        DataError: as of :func:`pixels_of`.
    """
    if isinstance(image, str | Path):
        return preprocessing.look(Path(image))
    if isinstance(image, PIL.Image.Image):
        return preprocessing.look(image)
    if isinstance(image, np.ndarray):
        is_rgb = image.ndim == 3 and image.shape[2] == 3
        if image.dtype == np.uint8 and (is_rgb or image.ndim == 2):
            return preprocessing.look(PIL.Image.fromarray(image))
        raise DataError(
            f"an array {image.dtype} {list(image.shape)} is not an image; "
            "pass uint8 [height, width, 3] (RGB) or [height, width] (grey)"
        )
    raise DataError(
        f"an object of class {type(image).__name__} is not an image; "
        "pass a path, an array or an image of Pillow"
    )
