"""Augmentation repeats by (seed, epoch, row) and disturbs nobody's random numbers."""

from types import FunctionType

import pytest
import torch
from torch import Tensor

from facesim.data.augmentation import Augmentation
from facesim.errors import FacesimError
from facesim.interfaces import CallableTransform

IMAGE = torch.zeros(3, 4, 5, dtype=torch.uint8)


def _noise(image: Tensor) -> Tensor:
    return torch.randint(0, 256, image.shape, dtype=torch.uint8)


def _add_one(image: Tensor) -> Tensor:
    return image + 1


def _double(image: Tensor) -> Tensor:
    return image * 2


def _to_float(image: Tensor) -> Tensor:
    return image.float()


def _half(image: Tensor) -> Tensor:
    return image[:, :2]


def test_the_same_key_gives_the_same_image() -> None:
    first = Augmentation((CallableTransform(_noise),), seed=1, epoch=2)(IMAGE, row=3)
    torch.rand(7)
    assert torch.equal(
        first, Augmentation((CallableTransform(_noise),), seed=1, epoch=2)(IMAGE, row=3)
    )


@pytest.mark.parametrize("other", [(0, 2, 3), (1, 0, 3), (1, 2, 0), (2, 1, 3), (1, 3, 2)])
def test_another_seed_epoch_or_row_gives_another_image(other: tuple[int, int, int]) -> None:
    seed, epoch, row = other
    image = Augmentation((CallableTransform(_noise),), seed=1, epoch=2)(IMAGE, row=3)
    assert not torch.equal(
        image, Augmentation((CallableTransform(_noise),), seed=seed, epoch=epoch)(IMAGE, row)
    )


def test_the_transforms_are_applied_in_order() -> None:
    image = Augmentation(tuple(map(CallableTransform, (_add_one, _double, _add_one))), 0, 0)(
        IMAGE, 0
    )
    assert (image == 3).all()


def test_the_global_random_state_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    Augmentation((CallableTransform(_noise),), seed=0, epoch=0)(IMAGE, 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("transform", "made"), [(_to_float, "float32"), (_half, r"\[3, 2, 5\]")])
def test_a_transform_that_changes_type_or_shape_is_named(
    transform: FunctionType, made: str
) -> None:
    with pytest.raises(FacesimError, match=rf"{transform.__name__} made .*{made}"):
        Augmentation((CallableTransform(transform),), seed=0, epoch=0)(IMAGE, 0)
