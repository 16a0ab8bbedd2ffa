"""Mining against a naive search through all pairs."""

import numpy as np
import pytest
import torch

from facesim.data.pair_drawing import PairSpace
from facesim_plugins.samplers._mined_partners import farthest_genuine, nearest_impostors

IDENTITIES = np.random.default_rng(0).integers(12, size=90)
IDENTITIES[IDENTITIES == 11] = 10
IDENTITIES[-1] = 11  # one image
EMBEDDINGS = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
SPACE = PairSpace.of(IDENTITIES)
DISTANCE = torch.cdist(EMBEDDINGS, EMBEDDINGS).numpy()
SAME = IDENTITIES[:, None] == IDENTITIES


def generator() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_farthest_of_the_identity_is_found_where_all_are_compared() -> None:
    found = farthest_genuine(EMBEDDINGS, SPACE, 90, generator())
    for row, partner in enumerate(found):
        others = np.flatnonzero(SAME[row] & (np.arange(90) != row))
        expected = others[DISTANCE[row, others].argmax()] if len(others) else -1
        assert partner == expected


def test_with_a_bound_it_is_another_image_of_the_identity_still_and_rather_far() -> None:
    found = farthest_genuine(EMBEDDINGS, SPACE, 3, generator())
    several = found >= 0
    rows = np.flatnonzero(several)
    assert several.sum() == 89
    assert SAME[rows, found[rows]].all()
    assert (rows != found[rows]).all()
    others = SAME & ~np.eye(90, dtype=bool)
    assert DISTANCE[rows, found[rows]].mean() > DISTANCE[others].mean() * 1.1


def test_equal_embeddings_have_partners_too() -> None:
    found = farthest_genuine(torch.zeros(90, 5), SPACE, 5, generator())
    rows = np.flatnonzero(found >= 0)
    assert len(rows) == 89
    assert (rows != found[rows]).all()


def test_impostors_are_of_other_identities_and_nearer_with_a_larger_pool() -> None:
    means = []
    for pool in (1, 10, 2000):
        found = nearest_impostors(EMBEDDINGS, SPACE, pool, generator())
        assert not SAME[np.arange(90), found].any()
        means.append(DISTANCE[np.arange(90), found].mean())
    assert means[0] > means[1] > means[2]
    nearest = np.where(SAME, np.inf, DISTANCE).min(1)
    np.testing.assert_allclose(DISTANCE[np.arange(90), found], nearest, rtol=1e-5)


def test_where_the_pool_shows_nobody_else_any_other_identity_does() -> None:
    identities = np.array([0] * 500 + [1])
    found = nearest_impostors(torch.zeros(501, 2), PairSpace.of(identities), 1, generator())
    assert (identities[found] != identities).all()


@pytest.mark.parametrize("mine", [farthest_genuine, nearest_impostors])
def test_half_a_million_images_are_mined(mine: object) -> None:
    assert callable(mine)
    identities = np.random.default_rng(0).integers(50_000, size=500_000)
    embeddings = torch.zeros(500_000, 2).uniform_()
    found = mine(embeddings, PairSpace.of(identities), 16, generator())
    rows = np.flatnonzero(found >= 0)
    assert ((identities[found[rows]] == identities[rows]) == (mine is farthest_genuine)).all()
