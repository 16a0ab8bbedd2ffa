"""A photograph at the size at which faces are searched."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

MaxSide = Annotated[
    int,
    Field(
        ge=64,
        le=8192,
        description="a photograph whose longer side is larger is reduced to it for the search, in "
        "pixels",
    ),
]


@dataclass(frozen=True)
class SearchImage:
    """A photograph, reduced if it is large.

    Attributes:
        pixels: RGB, uint8 [h, w, 3].
        scale: width and height of the photograph in pixels of this image's.
    """

    pixels: npt.NDArray[np.uint8]
    scale: tuple[float, float]

    @classmethod
    def of(cls, pixels: npt.NDArray[np.uint8], max_side: int) -> "SearchImage":
        """Of a photograph RGB, uint8 [H, W, 3]; at most ``max_side`` wide and high."""
        height, width = pixels.shape[:2]
        if max(height, width) <= max_side:
            return cls(np.ascontiguousarray(pixels), (1.0, 1.0))
        ratio = max_side / max(height, width)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        reduced = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
        return cls(reduced, (width / size[0], height / size[1]))

    def in_photograph(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points [N, 2], x and y, of this image in the photograph.

        In both, (0, 0) is the centre of the top left pixel.
        """
        located: npt.NDArray[np.float64] = (np.asarray(points, float) + 0.5) * self.scale - 0.5
        return located
