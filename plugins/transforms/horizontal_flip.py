"""Random horizontal flips."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from facesim import Transform, transforms


@transforms("horizontal_flip", starter="horizontal_flip")
class HorizontalFlip(Transform):
    """Mirror the image left to right."""

    only_mirrors = True

    def __init__(
        self,
        *,
        probability: Annotated[
            float, Field(description="share of images mirrored", ge=0, le=1)
        ] = 0.5,
    ) -> None:
        from torchvision.transforms import v2

        self.flip = v2.RandomHorizontalFlip(probability)

    def __call__(self, image: Tensor) -> Tensor:
        """Mirror one image, uint8 [3, H, W], or leave it."""
        mirrored: Tensor = self.flip(image)
        return mirrored
