"""Transforms: the base class, and plain callables in its place."""

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from facesim import PluginError, Transform, transforms
from facesim.interfaces.transform import CallableTransform


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with transforms.isolated():
        yield


def built(returned: Any) -> Transform:
    transforms("mine")(lambda: returned)
    return transforms.spec("mine").build()


def mirror(image: Tensor) -> Tensor:
    return image.flip(-1)


class Darken(Transform):
    """Halve every pixel."""

    def __call__(self, image: Tensor) -> Tensor:
        return image // 2


class Mirror:
    """A transform of version 1 of the interface: a callable with an attribute."""

    only_mirrors = True

    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(-1)


IMAGE = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)


def test_a_transform_is_what_it_is() -> None:
    transform = Darken()
    assert built(transform) is transform
    assert not transform.only_mirrors
    assert repr(transform) == "Darken"


@pytest.mark.parametrize(("plain", "only_mirrors"), [(mirror, False), (Mirror(), True)])
def test_a_plain_callable_is_a_transform(plain: Any, only_mirrors: bool) -> None:
    transform = built(plain)
    assert isinstance(transform, Transform)
    assert transform.only_mirrors is only_mirrors
    assert torch.equal(transform(IMAGE), IMAGE.flip(-1))
    assert torch.equal(pickle.loads(pickle.dumps(transform))(IMAGE), IMAGE.flip(-1))
    assert repr(transform).lower() == "mirror"


@pytest.mark.parametrize("wrong", [None, IMAGE])
def test_what_cannot_be_called_is_refused(wrong: Any) -> None:
    with pytest.raises(PluginError, match="transform 'mine' must return a Transform; it"):
        built(wrong)


def test_a_plain_callable_is_taken_for_a_mirror_only_if_it_says_so() -> None:
    """The cache keeps the trunk's output of mirrored images, and of no other augmentation."""
    assert not CallableTransform(lambda image: image).only_mirrors
    assert CallableTransform(lambda image: image, only_mirrors=True).only_mirrors
