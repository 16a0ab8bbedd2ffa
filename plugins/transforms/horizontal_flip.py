"""Mirror images at random."""

from typing import Annotated

from pydantic import Field

from facesim import Transform, transforms


@transforms("horizontal_flip")
def horizontal_flip(
    *,
    probability: Annotated[float, Field(description="share of images mirrored", ge=0, le=1)] = 0.5,
) -> Transform:
    """Mirror the image, left for right."""
    from torchvision.transforms import v2

    flip = v2.RandomHorizontalFlip(probability)
    flip.only_mirrors = True
    transform: Transform = flip
    return transform
