"""Random brightness, contrast, saturation and hue."""

from typing import Annotated

from pydantic import Field

from facesim import Transform, transforms


@transforms("color_jitter")
def color_jitter(
    *,
    brightness: Annotated[
        float, Field(description="0.2 multiplies by a factor between 0.8 and 1.2", ge=0, le=100)
    ] = 0.2,
    contrast: Annotated[float, Field(description="likewise", ge=0, le=100)] = 0.2,
    saturation: Annotated[float, Field(description="likewise", ge=0, le=100)] = 0.2,
    hue: Annotated[
        float, Field(description="maximum rotation of the hue, in full turns", ge=0, le=0.5)
    ] = 0.02,
) -> Transform:
    """Vary brightness, contrast, saturation and hue, in a random order."""
    from torchvision.transforms import v2

    transform: Transform = v2.ColorJitter(brightness, contrast, saturation, hue)
    return transform
