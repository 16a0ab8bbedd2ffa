"""Heads: the base class, and plain modules in its place."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facesim import Head, PluginError, heads
from facesim.interfaces import ModuleHead


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with heads.isolated():
        yield


def built(factory: Callable[[int], Any]) -> Head:
    heads("mine")(factory)
    return heads.spec("mine").build(4)


class Pooling(nn.Module):
    """A head of version 1 of the interface: a plain module with an attribute."""

    pools = True

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2)

    def forward(self, maps: Tensor) -> Tensor:
        embeddings: Tensor = self.linear(maps.mean(dim=(2, 3)))
        return embeddings


def test_a_head_is_what_it_is() -> None:
    class Mine(Head):
        def __init__(self, features: int) -> None:
            super().__init__()

        def forward(self, features: Tensor) -> Tensor:
            return features

    head = built(Mine)
    assert isinstance(head, Mine)
    assert not head.pools


def test_a_plain_module_is_a_head_that_does_not_pool() -> None:
    head = built(lambda features: nn.Linear(features, 2))
    assert not head.pools
    features = torch.randn(3, 4)
    assert torch.equal(head(features), torch.nn.functional.linear(features, *head.parameters()))


def test_a_plain_module_may_say_that_it_pools() -> None:
    head = built(Pooling)
    assert head.pools
    assert head(torch.randn(3, 4, 5, 6)).shape == (3, 2)


def test_a_plain_module_changes_its_mode_with_the_head() -> None:
    head = built(lambda features: nn.Sequential(nn.Dropout(0.5)))
    features = torch.ones(2, 400)
    assert torch.equal(head.eval()(features), features)
    assert not torch.equal(head.train()(features), features)


@pytest.mark.parametrize("around", [False, True])
def test_the_tensors_of_a_plain_module_keep_their_names(around: bool) -> None:
    def build() -> tuple[nn.Module, nn.Module]:
        plain = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        head: nn.Module = ModuleHead(plain)
        return (
            (nn.ModuleDict({"head": head}), nn.ModuleDict({"head": plain}))
            if around
            else (
                head,
                plain,
            )
        )

    saved, names = build()
    assert list(saved.state_dict()) == list(names.state_dict())
    loaded, plain = build()
    loaded.load_state_dict(saved.state_dict())
    for key, tensor in saved.state_dict().items():
        assert torch.equal(plain.state_dict()[key], tensor)
    state = copy.copy(saved.state_dict())
    del state[next(iter(state))]
    state["odd"] = torch.zeros(1)
    missing, unexpected = build()[0].load_state_dict(state, strict=False)
    assert (len(missing), len(unexpected)) == (1, 1)


@pytest.mark.parametrize("wrong", [None, [1], nn.Linear])
def test_what_is_not_a_module_is_refused(wrong: Any) -> None:
    with pytest.raises(
        PluginError, match=rf"{__file__}:\d+: the factory of the head 'mine' must return a Head"
    ):
        built(lambda features: wrong)
