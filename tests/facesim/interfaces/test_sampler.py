from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim import (
    FaceTable,
    MiningSampler,
    PairBatch,
    PluginError,
    Sampler,
    TableSampler,
    samplers,
)


def test_a_batch_of_pairs_holds_each_image_once() -> None:
    rows = np.array([[7, 2], [2, 9], [7, 9]])
    identities = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 5])
    batch = PairBatch.of_pairs(rows, identities)
    assert batch.images.tolist() == [2, 7, 9]
    assert batch.identities.tolist() == [1, 1, 5]
    assert batch.images[batch.pairs].tolist() == rows.tolist()
    assert batch.same.tolist() == [True, False, False]


def test_gather_gives_the_embeddings_of_either_side() -> None:
    batch = PairBatch.of_pairs(np.array([[7, 2], [2, 9]]), np.zeros(10, dtype=np.int64))
    embeddings = torch.randn(3, 4)
    first, second = batch.gather(embeddings)
    assert torch.equal(first, embeddings[[1, 0]])
    assert torch.equal(second, embeddings[[0, 2]])


def test_the_gradient_of_gather_repeats_bit_for_bit() -> None:
    pairs = torch.combinations(torch.arange(64))
    batch = PairBatch(torch.arange(64), torch.arange(64), pairs, torch.ones(len(pairs)).bool())
    embeddings, weights = torch.randn(64, 32), torch.randn(len(pairs), 32)

    def gradient() -> torch.Tensor:
        leaf = embeddings.clone().requires_grad_()
        first, second = batch.gather(leaf)
        return torch.autograd.grad(((first + 2 * second) * weights).sum(), leaf)[0]

    expected = gradient()
    assert all(torch.equal(gradient(), expected) for _ in range(10))


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with samplers.isolated():
        yield


def built(returned: Any) -> Sampler:
    samplers("mine")(lambda identities, batch_size, seed: returned)
    return samplers.spec("mine").build(np.zeros(2, np.int64), 2, 0)


class Plain:
    """A sampler of version 1 of the interface, which asks for methods alone."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Reading(Plain):
    def read_table(self, table: FaceTable) -> None: ...


class Mining(Plain):
    def mine(self, embeddings: Tensor, epoch: int) -> None: ...

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


class Both(Reading, Mining): ...


BASES = (Sampler, TableSampler, MiningSampler)


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (Plain, {Sampler}),
        (Reading, {Sampler, TableSampler}),
        (Mining, {Sampler, MiningSampler}),
        (Both, {Sampler, TableSampler, MiningSampler}),
    ],
)
def test_an_object_with_the_methods_is_a_sampler(kind: type, bases: set[type]) -> None:
    sampler: object = built(kind())
    assert {base for base in BASES if isinstance(sampler, base)} == bases


def test_a_sampler_that_lacks_a_method_cannot_be_made() -> None:
    class Halfway(MiningSampler):
        def batches(self, epoch: int) -> Iterator[PairBatch]:
            return iter(())

        def __len__(self) -> int:
            return 0

    with pytest.raises(TypeError, match="abstract"):
        Halfway()  # type: ignore[abstract]


@pytest.mark.parametrize("wrong", [None, [], object()])
def test_what_has_not_the_methods_is_refused(wrong: Any) -> None:
    with pytest.raises(PluginError, match="sampler 'mine' must return a Sampler; it returned"):
        built(wrong)


def test_a_batch_that_several_read_cannot_be_changed_by_one() -> None:
    batch = PairBatch.of_pairs(np.array([[0, 1]]), np.array([5, 5]))
    with pytest.raises(FrozenInstanceError):
        batch.same = ~batch.same  # type: ignore[misc]
