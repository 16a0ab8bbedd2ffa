"""Random erasing."""

from typing import Annotated

from pydantic import AfterValidator, Field

from facesim import Transform, transforms


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] > interval[1]:
        raise ValueError(f"the lower end {interval[0]} is above the upper end {interval[1]}")
    return interval


Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0)]


@transforms("random_erasing")
def random_erasing(
    *,
    probability: Annotated[float, Field(description="share of images erased", ge=0, le=1)] = 0.5,
    area: Annotated[
        tuple[Share, Share],
        AfterValidator(_rising),
        Field(description="minimum and maximum share of the image's area"),
    ] = (0.02, 0.2),
    aspect_ratio: Annotated[
        tuple[Ratio, Ratio],
        AfterValidator(_rising),
        Field(description="minimum and maximum height / width of the rectangle"),
    ] = (0.3, 3.3),
    gray: Annotated[int, Field(description="pixel value of the rectangle", ge=0, le=255)] = 127,
) -> Transform:
    """Fill a random rectangle of the image with grey, which simulates occlusion.

    Reference:
        Zhong, Zheng, Kang, Li, Yang: Random Erasing Data Augmentation (2017).
    """
    from torchvision.transforms import v2

    transform: Transform = v2.RandomErasing(probability, scale=area, ratio=aspect_ratio, value=gray)
    return transform
