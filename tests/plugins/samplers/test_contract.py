"""What every registered sampler promises. A new sampler joins by one entry in ``PARAMETERS``."""

from typing import Any

import numpy as np
import pytest
import torch

import facesim_plugins.samplers.identity_balanced
import facesim_plugins.samplers.random_pairs  # noqa: F401
from facesim import FacesimError, PairBatch, Sampler, samplers

PARAMETERS: dict[str, dict[str, Any]] = {
    "identity_balanced": {"images_per_identity": 4},
    "random_pairs": {"pairs_per_image": 1.0, "same_fraction": 0.5},
}
TABLES = {
    "even": np.repeat(np.arange(30), 6),
    "uneven": np.repeat(np.arange(20), np.arange(20) + 1),
    "singletons": np.concatenate([np.arange(50), [7, 7, 8]]),
    "two identities": np.repeat(np.arange(2), [3, 40]),
    "unsorted": np.random.default_rng(0).integers(25, size=300),
}


@pytest.fixture(params=samplers.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(TABLES))
def identities(request: pytest.FixtureRequest) -> np.ndarray:
    return TABLES[request.param]


def build(name: str, identities: np.ndarray, seed: int = 5, batch_size: int = 16) -> Sampler:
    return samplers.spec(name, **PARAMETERS[name]).build(identities, batch_size, seed)


def fields(batch: PairBatch) -> tuple[torch.Tensor, ...]:
    return batch.images, batch.identities, batch.pairs, batch.same


def equal(a: list[PairBatch], b: list[PairBatch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(one, other)
        for x, y in zip(a, b, strict=True)
        for one, other in zip(fields(x), fields(y), strict=True)
    )


def test_an_epoch_is_a_pure_function_of_seed_and_epoch(name: str, identities: np.ndarray) -> None:
    sampler = build(name, identities)
    third = list(sampler.batches(3))
    list(sampler.batches(4))
    next(iter(sampler.batches(3)))
    assert equal(third, list(sampler.batches(3)))
    assert equal(third, list(build(name, identities).batches(3)))


def test_epochs_and_seeds_differ(name: str, identities: np.ndarray) -> None:
    first = list(build(name, identities, seed=1).batches(0))
    assert not equal(first, list(build(name, identities, seed=1).batches(1)))
    assert not equal(first, list(build(name, identities, seed=2).batches(0)))
    # seeds that fill several 32-bit words must not run into the epoch
    wide = list(build(name, identities, seed=1 + 5 * 2**32).batches(0))
    assert not equal(wide, list(build(name, identities, seed=1).batches(5)))


def test_it_is_a_sampler_and_states_its_length(name: str, identities: np.ndarray) -> None:
    sampler = build(name, identities)
    assert isinstance(sampler, Sampler)
    for epoch in range(3):
        assert sum(1 for _ in sampler.batches(epoch)) == len(sampler)


def test_a_batch_holds_each_image_once_and_true_labels(name: str, identities: np.ndarray) -> None:
    for batch in build(name, identities).batches(0):
        images = batch.images.numpy()
        assert len(np.unique(images)) == len(images) > 1
        np.testing.assert_array_equal(batch.identities.numpy(), identities[images])
        of_pairs = batch.identities[batch.pairs]
        assert torch.equal(batch.same, of_pairs[:, 0] == of_pairs[:, 1])
        np.testing.assert_array_equal(np.unique(batch.pairs.numpy()), np.arange(len(images)))


def test_no_image_is_paired_with_itself(name: str, identities: np.ndarray) -> None:
    for batch in build(name, identities).batches(0):
        assert (batch.pairs[:, 0] != batch.pairs[:, 1]).all()


def test_types_and_shapes_are_those_of_the_interface(name: str, identities: np.ndarray) -> None:
    for batch in build(name, identities).batches(0):
        images, pairs = len(batch.images), len(batch.pairs)
        assert [t.shape for t in fields(batch)] == [(images,), (images,), (pairs, 2), (pairs,)]
        assert [t.dtype for t in fields(batch)] == [torch.int64] * 3 + [torch.bool]


def test_an_epoch_brings_both_genuine_and_impostor_pairs(name: str, identities: np.ndarray) -> None:
    same = torch.cat([batch.same for batch in build(name, identities).batches(0)])
    assert same.any()
    assert not same.all()


def test_the_global_generators_are_left_alone(name: str) -> None:
    before = str(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    list(build(name, TABLES["even"]).batches(0))
    assert str(np.random.get_state()) == before[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(
    ("identities", "message"),
    [
        (np.zeros(20, np.int64), "no impostor pair.*all 20 images show one identity"),
        (np.arange(20), "no genuine pair.*each of the 20 identities has one image"),
    ],
    ids=["one identity", "one image each"],
)
def test_a_table_without_one_class_of_pairs_is_refused(
    name: str, identities: np.ndarray, message: str
) -> None:
    with pytest.raises(FacesimError, match=message):
        build(name, identities)


def test_a_large_table_is_sampled_lazily(name: str) -> None:
    """Ten batches of half a million images, which a list of all pairs or batches would not give."""
    identities = np.random.default_rng(0).integers(50_000, size=500_000)
    sampler = build(name, identities, batch_size=128)
    batches = sampler.batches(0)
    assert all(len(next(batches).pairs) >= 128 for _ in range(10))
    assert len(sampler) > 1000
