"""Fit: how an image of any aspect ratio becomes one of a given size."""

from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageOps

Fit = Literal["letterbox", "crop", "stretch"]
"""The whole image between black bars, the middle of the image, or the whole image distorted.

Of an image that has the aspect ratio of the size all three make the same.
"""


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Resize an image. Bilinear with antialiasing; one that has the size is not resampled.

    Args:
        image: upright.
        size: (height, width) of the result, in pixels.
        fit: how it is reached from another aspect ratio. The image inside of a letterbox has whole
            pixels, so that its ratio is that of the original within half a pixel.
    """
    wanted = (size[1], size[0])
    if image.size == wanted:
        return image
    # Pillow compares the quotients of the sides, which are equal floats where the ratios are.
    if fit == "letterbox":
        return ImageOps.pad(image, wanted, Image.Resampling.BILINEAR, "black")
    if fit == "crop":
        return ImageOps.fit(image, wanted, Image.Resampling.BILINEAR)
    return image.resize(wanted, Image.Resampling.BILINEAR)


@dataclass(frozen=True)
class Fitted:
    """What a fit does to an image.

    Attributes:
        magnified: how many pixels of the result one of the image becomes, along a side; the
            geometric mean of both sides where they differ.
        squeezed: how many times more it becomes along one side than along the other, at least 1.
        black: share of the result that is bars.
        cut: share of the image that is not in the result.
    """

    magnified: float
    squeezed: float = 1.0
    black: float = 0.0
    cut: float = 0.0

    @classmethod
    def of(cls, image: tuple[int, int], size: tuple[int, int], fit: Fit) -> "Fitted":
        """That of an image of this width and height, for a size (height, width)."""
        small, large = sorted((size[1] / image[0], size[0] / image[1]))
        if fit == "letterbox":
            return cls(small, black=1 - small / large)
        if fit == "crop":
            return cls(large, cut=1 - small / large)
        return cls((small * large) ** 0.5, squeezed=large / small)
