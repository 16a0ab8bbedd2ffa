import itertools

import numpy as np
import pytest

from facesim.arrays import Int64Array
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.interfaces.scores import LabelledScores

FIRST = np.array([7, 7, 3, 9, 3, 9, 7])
SECOND = np.array([7, 3, 9, 7, 3, 9, 9])


def bootstrap_of(first: Int64Array, second: Int64Array) -> IdentityBootstrap:
    """Of pairs whose scores do not matter."""
    scores = np.zeros(len(first))
    return IdentityBootstrap.of(LabelledScores.of(scores, first == second, first, second))


def make() -> IdentityBootstrap:
    return bootstrap_of(FIRST, SECOND)


def test_a_pair_counts_once_for_each_way_to_meet_its_people_again() -> None:
    names = np.unique(FIRST)
    generator = np.random.default_rng(4)
    for weights in make().weights(seed=4, resamples=20):
        drawn = names[generator.integers(3, size=3)]
        for pair, weight in enumerate(weights):
            if FIRST[pair] == SECOND[pair]:
                expected = sum(person == FIRST[pair] for person in drawn)
            else:
                people = itertools.permutations(drawn, 2)
                expected = sum((FIRST[pair], SECOND[pair]) == two for two in people)
            assert weight == expected


def test_the_same_seed_draws_the_same_resamples_and_more_of_them_go_on() -> None:
    few, many = ([*make().weights(0, resamples)] for resamples in (3, 8))
    np.testing.assert_array_equal(few, many[:3])
    assert not np.array_equal(many, [*make().weights(1, 8)])


def test_values_are_the_statistics_of_each_resample() -> None:
    values = make().values(lambda weights: [weights.sum(), weights.max()], seed=0, resamples=5)
    expected = [(weights.sum(), weights.max()) for weights in make().weights(0, 5)]
    np.testing.assert_array_equal(values, expected)


def test_equally_present_identities_count_in_full_in_genuine_pairs_and_half_in_impostor_ones() -> (
    None
):
    people = np.arange(12)
    genuine = bootstrap_of(people, people)
    assert genuine.effective_identities == pytest.approx(12)
    impostor = bootstrap_of(people, np.roll(people, 1))
    assert impostor.effective_identities == pytest.approx(6)


def test_an_identity_that_holds_most_pairs_leaves_few_effective_ones() -> None:
    people = np.array([0] * 100 + [1, 2, 3])
    assert bootstrap_of(people, people).effective_identities < 1.1


def test_no_pairs_have_no_identities() -> None:
    nobody = np.empty(0, np.int64)
    bootstrap = bootstrap_of(nobody, nobody)
    assert (bootstrap.identities, bootstrap.effective_identities) == (0, 0)
