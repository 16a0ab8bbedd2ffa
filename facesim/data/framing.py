"""Which part of a picture the network sees, and at what size."""

from dataclasses import dataclass

from facesim.errors import DataError


@dataclass(frozen=True)
class Framing:
    """A crop box in the upright picture, and the size that it is brought to.

    Attributes:
        size: (height, width) in pixels; CelebA's aligned faces are 218 x 178.
        crop: (left, top, width, height) in pixels, or None for the whole picture.
    """

    size: tuple[int, int] = (218, 178)
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise DataError(f"the size (height, width) is {self.size}; both must be at least 1")
        if self.crop is not None and (min(self.crop[:2]) < 0 or min(self.crop[2:]) < 1):
            raise DataError(
                f"the crop (left, top, width, height) is {self.crop}; left and top must be at "
                "least 0, width and height at least 1"
            )
