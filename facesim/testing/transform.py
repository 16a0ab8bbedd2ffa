"""Contract of transforms."""

import random

import numpy as np
import torch
from torch import Tensor

from facesim.interfaces import Transform
from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import pickled

SEEDS = range(10)

TRANSFORM: Contract[Transform] = Contract("transform", promises_of_every_kind())


@TRANSFORM.promise(hint="return uint8 pixels of the same size: clamp, round, resize back")
def shape_and_dtype_are_kept(spec: Spec[Transform]) -> None:
    """An image stays uint8 [3, H, W], for any H and W."""
    transform = spec.build()
    for height, width in ((40, 32), (8, 8), (218, 178)):
        for seed in SEEDS:
            changed = _after_seed(transform, seed, _image(height, width))
            observed = f"uint8 [3, {height}, {width}] became {changed.dtype} {list(changed.shape)}"
            require(changed.shape == (3, height, width) and changed.dtype == torch.uint8, observed)


@TRANSFORM.promise(hint="draw from torch's global generator alone; keep no state between images")
def seed_decides_the_outcome(spec: Spec[Transform]) -> None:
    """Torch's global generator decides the outcome, so that a resumed run repeats it."""
    first, second = spec.build(), spec.build()
    for seed in SEEDS:
        outcomes = [_after_seed(transform, seed, _image()) for transform in (first, second)]
        require(torch.equal(*outcomes), f"under seed {seed} two instances gave different images")


@TRANSFORM.promise(hint="draw with torch.rand and the like, not with random or np.random")
def other_generators_do_not_matter(spec: Spec[Transform]) -> None:
    """It draws from no generator but torch's."""
    transform = spec.build()
    outcomes = []
    for elsewhere in (1, 2):
        random.seed(elsewhere)
        np.random.seed(elsewhere)  # noqa: NPY002
        outcomes.append(torch.stack([_after_seed(transform, s, _image()) for s in SEEDS]))
    require(torch.equal(*outcomes), "another seed of random or np.random changed the outcome")


@TRANSFORM.promise(
    hint="choose defaults that change images; fixed preprocessing is not an augmentation"
)
def seeds_lead_to_different_outcomes(spec: Spec[Transform]) -> None:
    """Among twenty draws there are at least two different outcomes."""
    transform = spec.build()
    outcomes = {_after_seed(transform, seed, _image()).numpy().tobytes() for seed in range(20)}
    require(len(outcomes) > 1, "twenty draws gave the same image")


@TRANSFORM.promise(hint="clone the image before changing it in place")
def input_stays_as_it_was(spec: Spec[Transform]) -> None:
    """It does not change the image that it is given."""
    transform, image = spec.build(), _image()
    for seed in SEEDS:
        _after_seed(transform, seed, image)
        require(torch.equal(image, _image()), f"under seed {seed} it was changed in place")


@TRANSFORM.promise(hint="use reshape instead of view, and no strides")
def memory_order_does_not_matter(spec: Spec[Transform]) -> None:
    """Images stored channels-last, as decoders return them, give the same result."""
    transform = spec.build()
    view = _image().permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for seed in SEEDS:
        outcomes = [_after_seed(transform, seed, image) for image in (view, _image())]
        require(
            torch.equal(*outcomes), f"under seed {seed} a channels-last image gave another result"
        )


@TRANSFORM.promise(hint="return an instance of a class or a module-level function, not a lambda")
def it_can_be_pickled(spec: Spec[Transform]) -> None:
    """It can be pickled, and so be sent to a worker process."""
    transform = spec.build()
    outcomes = [_after_seed(one, 1, _image()) for one in (pickled(transform), transform)]
    require(torch.equal(*outcomes), "the copy gives a different image")


@TRANSFORM.promise(hint="set only_mirrors only if every outcome is the image or its mirror image")
def only_mirrors_is_true(spec: Spec[Transform]) -> None:
    """If ``only_mirrors`` is set, every outcome is the image or its mirror image."""
    transform = spec.build()
    if transform.only_mirrors:
        for seed in range(20):
            changed = _after_seed(transform, seed, _image())
            mirrored = any(torch.equal(changed, it) for it in (_image(), _image().flip(-1)))
            require(mirrored, f"under seed {seed} it is neither the image nor its mirror")


def _image(height: int = 40, width: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def _after_seed(transform: Transform, seed: int, image: Tensor) -> Tensor:
    torch.manual_seed(seed)
    return transform(image)
