"""What the `identity_balanced` sampler promises beyond the contract."""

import numpy as np
import pytest

import facesim_plugins.samplers.identity_balanced  # noqa: F401
from facesim import FacesimError, PairBatch, Sampler, samplers


def build(identities: np.ndarray, batch_size: int, images_per_identity: int) -> Sampler:
    spec = samplers.spec("identity_balanced", images_per_identity=images_per_identity)
    return spec.build(identities, batch_size, 0)


def images_per_identity(batch: PairBatch) -> list[int]:
    return sorted(np.unique(batch.identities.numpy(), return_counts=True)[1].tolist())


def test_a_batch_is_p_identities_with_k_images_and_all_their_pairs() -> None:
    for batch in build(np.repeat(np.arange(12), 8), 24, 4).batches(0):
        assert images_per_identity(batch) == [4] * 6
        assert len(batch.pairs) == 24 * 23 // 2
        assert int(batch.same.sum()) == 6 * 6


@pytest.mark.parametrize("most", [1, 2, 7, 19])
@pytest.mark.parametrize("k", [2, 4, 5])
def test_every_image_comes_exactly_once_an_epoch(most: int, k: int) -> None:
    identities = np.random.default_rng(most).permutation(
        np.repeat(np.arange(40), 1 + np.arange(40) % (most + 1))
    )
    for epoch in range(3):
        images = np.concatenate(
            [b.images.numpy() for b in build(identities, 6 * k, k).batches(epoch)]
        )
        np.testing.assert_array_equal(np.sort(images), np.arange(len(identities)))


def test_an_identity_with_more_than_k_images_is_split_into_equal_groups() -> None:
    identities = np.repeat(np.arange(20), 9)
    for batch in build(identities, 16, 4).batches(0):  # 9 images are 3 + 3 + 3, not 4 + 4 + 1
        assert set(images_per_identity(batch)) == {3}


def test_an_identity_with_fewer_than_k_images_brings_all_of_them_together() -> None:
    identities = np.repeat(np.arange(20), [1, 2, 3, 4] * 5)
    batches = list(build(identities, 16, 4).batches(0))
    assert sorted(size for b in batches for size in images_per_identity(b)) == sorted(
        [1, 2, 3, 4] * 5
    )


def test_a_smaller_batch_may_come_at_any_place_of_an_epoch() -> None:
    sampler = build(np.repeat(np.arange(7), 4), 8, 4)  # three batches of two people, one of one
    places = {
        [len(batch.images) for batch in sampler.batches(epoch)].index(4) for epoch in range(40)
    }
    assert places == {0, 1, 2, 3}


def test_batches_hold_different_identities_and_nearly_equal_numbers_of_them() -> None:
    identities = np.repeat(np.arange(61), np.arange(61) % 12 + 1)
    sampler = build(identities, 32, 4)
    groups = [len(images_per_identity(b)) for b in sampler.batches(0)]
    assert sum(groups) == sum(-(-n // 4) for n in np.bincount(identities))
    assert {7, 8} >= set(groups)


def test_an_identity_with_more_groups_than_batches_is_spread_evenly() -> None:
    identities = np.repeat(np.arange(5), [40, 2, 2, 2, 2])
    batches = list(build(identities, 16, 4).batches(0))
    assert sorted(int((b.identities == 0).sum()) for b in batches) == [8, 8, 12, 12]


def test_which_images_meet_changes_from_epoch_to_epoch() -> None:
    sampler = build(np.repeat(np.arange(20), 8), 16, 4)
    groups = [
        {
            frozenset(b.images[b.identities == identity].tolist())
            for b in sampler.batches(epoch)
            for identity in set(b.identities.tolist())
        }
        for epoch in range(2)
    ]
    assert len(groups[0] & groups[1]) < 10


@pytest.mark.parametrize(("batch_size", "nearest"), [(30, 32), (4, 8), (3, 8), (9, 8)])
def test_a_batch_size_that_does_not_fit_is_refused_with_one_that_does(
    batch_size: int, nearest: int
) -> None:
    with pytest.raises(FacesimError, match=f"batch_size {batch_size} .*; use {nearest}$"):
        build(np.repeat(np.arange(12), 8), batch_size, 4)
