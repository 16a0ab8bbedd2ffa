"""Reproducible random augmentation, seeded by (seed, epoch, row)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from facesim.errors import FacesimError
from facesim.interfaces import Transform
from facesim.seeds import derive_seed


@dataclass(frozen=True)
class Augmentation:
    """The transforms of one epoch, applied in order.

    Attributes:
        transforms: each uint8 [3, H, W] -> uint8 [3, H, W], drawing from torch's global generator.
        seed: the experiment's seed.
        epoch: from 0.
    """

    transforms: tuple[Transform, ...]
    seed: int
    epoch: int

    def __call__(self, image: Tensor, row: int) -> Tensor:
        """Augment the image of one table row; the global random state is preserved.

        Raises:
            FacesimError: a transform changed the shape or the type.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.key(row))
            for transform in self.transforms:
                image = _same_kind(transform, image, transform(image))
        return image

    def key(self, row: int) -> int:
        """The seed of one row in this epoch."""
        return derive_seed(self.seed, "augmentation", self.epoch, row)


def _same_kind(transform: Transform, before: Tensor, after: Tensor) -> Tensor:
    if after.dtype == before.dtype and after.shape == before.shape:
        return after
    raise FacesimError(
        f"the transform {transform!r} made {after.dtype} {list(after.shape)} of {before.dtype} "
        f"{list(before.shape)}; it must keep both"
    )
