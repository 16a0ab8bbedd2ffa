"""Random shifts."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from facesim import Transform, transforms


@transforms("random_crop")
@dataclass(frozen=True, kw_only=True)
class RandomCrop(Transform):
    """Pad the image on every side by replicating its edge, then crop its size at random."""

    padding: Annotated[int, Field(description="maximum shift in pixels", gt=0, le=512)] = 4

    def __call__(self, image: Tensor) -> Tensor:
        """Shift one image, uint8 [3, H, W]."""
        from torchvision.transforms import v2

        height, width = image.shape[-2:]
        crop = v2.RandomCrop((height, width), padding=self.padding, padding_mode="edge")
        shifted: Tensor = crop(image)
        return shifted
