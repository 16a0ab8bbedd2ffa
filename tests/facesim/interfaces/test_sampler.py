"""Samplers: the base classes, and objects that have their methods."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
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
