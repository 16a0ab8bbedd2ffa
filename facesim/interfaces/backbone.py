"""Backbones: a frozen trunk, a trainable tail, and the pixel normalisation of their weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Normalization:
    """Per-channel ``(pixel / 255 - mean) / std`` that a backbone's weights expect."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class Backbone(nn.Module):
    """A frozen trunk, a trainable tail, and the normalisation that the weights expect.

    The trunk runs in ``eval()`` mode and without gradients whatever mode the network is in, so
    that neither its weights nor its BatchNorm statistics ever move. The tail ends with pooling,
    unless the feature maps are left to a head that pools them.

    A factory that offers the choice calls its parameters ``pooling`` (``none`` returns the maps)
    and ``image_size``: where backbone, head and images do not fit, the error recommends them.

    Args:
        trunk: normalised images float32 [B, 3, H, W] -> any tensor [B, ...]; ``nn.Identity()`` if
            nothing is frozen.
        tail: the trunk's output -> float [B, features], or maps [B, features, h, w] if it is not
            ``pooled``; ``nn.Identity()`` if all is frozen.
        features: width of the tail's output.
        normalization: applied to uint8 RGB pixels before the trunk.
        pooled: whether the output is a row of features an image, and not maps.
        image_size: the only height and width of images that it takes; None takes any.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        tail: nn.Module,
        features: int,
        normalization: Normalization,
        *,
        pooled: bool = True,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(False).eval()
        self.tail = tail
        self.features = features
        self.pooled = pooled
        self.image_size = image_size
        for name, values in (("mean", normalization.mean), ("std", normalization.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255, False)

    @property
    def normalization(self) -> Normalization:
        """What it was made with, to six decimals."""
        mean, std = (
            tuple(round(each / 255, 6) for each in values.flatten().tolist())
            for values in (self.mean, self.std)
        )
        return Normalization(mean, std)

    @property
    def has_trunk(self) -> bool:
        """Whether anything is frozen, so that running it once per image saves work."""
        return not isinstance(self.trunk, nn.Identity)

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode of the tail; the trunk stays in ``eval()``."""
        super().train(mode)
        self.trunk.eval()
        return self

    def run_trunk(self, images: Tensor) -> Tensor:
        """Uint8 pixels [B, 3, H, W] -> the trunk's output, detached."""
        with torch.no_grad():
            output: Tensor = self.trunk((images.float() - self.mean) / self.std)
        return output

    def forward(self, images: Tensor) -> Tensor:
        """Uint8 pixels [B, 3, H, W] -> features [B, features], or maps [B, features, h, w]."""
        features: Tensor = self.tail(self.run_trunk(images))
        return features
