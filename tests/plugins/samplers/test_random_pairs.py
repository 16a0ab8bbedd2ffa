"""What the `random_pairs` sampler promises beyond the contract."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import facesim_plugins.samplers.random_pairs  # noqa: F401
from facesim import FacesimError, Sampler, samplers

IDENTITIES = np.repeat(np.arange(30), 6)


def build(batch_size: int = 16, identities: np.ndarray = IDENTITIES, **parameters: Any) -> Sampler:
    return samplers.spec("random_pairs", **parameters).build(identities, batch_size, 0)


def epoch_rows(sampler: Sampler, epoch: int = 0) -> np.ndarray:
    return np.concatenate([b.images[b.pairs].numpy() for b in sampler.batches(epoch)])


def test_an_epoch_has_the_pairs_asked_for_in_batches_of_the_size_asked_for() -> None:
    sampler = build(batch_size=50, pairs_per_image=1.2, same_fraction=0.25)
    sizes = [len(batch.pairs) for batch in sampler.batches(0)]
    assert sizes == [50, 50, 50, 50, 16]
    assert sum(int(batch.same.sum()) for batch in sampler.batches(0)) == 54


def test_no_pair_comes_twice_in_an_epoch() -> None:
    rows = np.sort(epoch_rows(build(pairs_per_image=2.0)), axis=1)
    assert len(np.unique(rows, axis=0)) == len(rows) == 360


def test_all_pairs_of_a_class_come_before_one_repeats() -> None:
    rows = np.sort(epoch_rows(build(pairs_per_image=3.0, same_fraction=1.0)), axis=1)
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    assert len(counts) == 30 * 15  # every genuine pair of 30 identities with six images
    assert set(counts) == {1, 2}


def test_genuine_and_impostor_pairs_are_mixed_within_the_epoch() -> None:
    sampler = build(batch_size=60, pairs_per_image=2.0)
    assert all(15 < int(batch.same.sum()) < 45 for batch in sampler.batches(0))


def test_only_one_class_can_be_asked_for() -> None:
    singletons, one_identity = np.arange(9), np.zeros(9, np.int64)
    impostors = build(identities=singletons, pairs_per_image=1.0, same_fraction=0.0)
    genuine = build(identities=one_identity, pairs_per_image=1.0, same_fraction=1.0)
    assert len(epoch_rows(impostors)) == len(epoch_rows(genuine)) == 9


def test_asking_for_less_than_one_pair_is_refused() -> None:
    with pytest.raises(FacesimError, match=r"is less than one pair; use 0\.0056 or more"):
        build(pairs_per_image=0.0001)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"pairs_per_image": 0.0},
        {"pairs_per_image": float("inf")},
        {"pairs_per_image": 1.0, "same_fraction": 1.5},
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build(**parameters)
