import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facesim.arrays import BoolArray, Int64Array
from facesim.evaluation.identity_jackknife import MOST_GROUPS, IdentityJackknife, Statistics
from facesim.interfaces.scores import LabelledScores

FIRST = np.array([7, 7, 3, 9, 3, 9, 7, 4, 4])
SECOND = np.array([7, 3, 9, 7, 3, 9, 9, 4, 7])
VALUES = np.random.default_rng(0).normal(size=9)


def jackknife_of(first: Int64Array, second: Int64Array) -> IdentityJackknife:
    """Of pairs whose scores do not matter."""
    scores = np.zeros(len(first))
    return IdentityJackknife.of(LabelledScores.of(scores, first == second, first, second))


def each(statistic: Callable[[Int64Array], list[float]], same: BoolArray) -> Statistics:
    """A statistic of one list of weights, of each in turn."""
    return lambda weights: np.array(
        [statistic(weights.of_curve(at, same)) for at in range(len(weights))]
    )


def share_of(values: npt.NDArray[Any], same: BoolArray | None = None) -> Statistics:
    """The mean of one number per pair; all are genuine unless it is said."""
    return each(
        lambda weights: [float(weights @ values / weights.sum())],
        np.ones(len(values), np.bool_) if same is None else same,
    )


def test_deletions_are_the_statistic_without_all_pairs_of_each_identity() -> None:
    found = jackknife_of(FIRST, SECOND).deletions(share_of(VALUES, FIRST == SECOND), seed=0)
    expected = [VALUES[(who != FIRST) & (who != SECOND)].mean() for who in (3, 4, 7, 9)]
    np.testing.assert_allclose(found.identities[:, 0], expected)
    genuine = [np.delete(VALUES, at).mean() for at in np.flatnonzero(FIRST == SECOND)]
    np.testing.assert_allclose(np.sort(found.pairs[0][:, 0]), np.sort(genuine))
    assert found.pairs[1].shape == (5, 1)


def test_the_variance_of_genuine_pairs_is_that_of_the_means_of_people() -> None:
    people = np.repeat(np.arange(60), 4)
    random = np.random.default_rng(1)
    values = random.normal(size=240) + random.normal(size=60)[people]
    (found,) = jackknife_of(people, people).uncertainties(share_of(values), seed=0)
    means = values.reshape(60, 4).mean(axis=1)
    assert found.variance == pytest.approx(means.var(ddof=1) / 60, rel=0.02)


def test_people_who_differ_are_seen_where_few_of_their_pairs_are() -> None:
    """Half of the people are goats, with a hundredth of the pairs: other people might have more."""
    people = np.repeat(np.arange(40), np.where(np.arange(40) % 2, 100, 2))
    accepted = (people % 2 == 1) & (np.random.default_rng(2).random(len(people)) < 0.9)
    jackknife = jackknife_of(people, people)
    deletions = jackknife.deletions(share_of(accepted), seed=0)
    composition = jackknife.composition()
    found = deletions.uncertainty(0, composition)
    as_they_are = deletions.uncertainty(0, replace(composition, counts=None))
    assert found.variance > 3 * as_they_are.variance
    assert found.degrees > as_they_are.degrees


def test_the_variance_of_impostor_pairs_is_that_of_their_mean() -> None:
    """Simulated with and without an effect of people; resampling people gives three times it."""
    random = np.random.default_rng(2)
    first, second = np.array([(i, j) for i in range(15) for j in range(i)]).T
    jackknife = jackknife_of(first, second)
    for effect in (0.0, 0.5):
        means, variances = [], []
        for _ in range(150):
            people = effect * random.normal(size=15)
            values = random.normal(size=len(first)) + people[first] + people[second]
            (found,) = jackknife.uncertainties(share_of(values, first == second), seed=0)
            means.append(values.mean())
            variances.append(found.variance)
        assert 0.8 < np.mean(variances) / np.var(means) < 1.8


def test_an_accuracy_does_not_vary_with_who_has_most_pairs_of_a_kind() -> None:
    """All pairs are rejected: right for half of them, whoever the people are."""
    random = np.random.default_rng(0)
    presence = np.minimum(random.pareto(1.5, 40) + 0.3, 10)
    shown = random.choice(40, 4000, p=presence / presence.sum())
    first = np.append(shown[:2000], shown[2000:])
    other = (shown[2000:] + random.integers(1, 40, size=2000)) % 40
    second = np.append(shown[:2000], other)
    (found,) = jackknife_of(first, second).uncertainties(
        share_of(first != second, first == second), seed=0
    )
    assert 0 < found.variance < 0.02**2


def test_more_identities_than_the_most_groups_are_deleted_in_groups() -> None:
    people = np.repeat(np.arange(1000), 2)
    values = np.random.default_rng(3).normal(size=2000)
    found = jackknife_of(people, people).deletions(
        each(
            lambda weights: [float(weights @ values / weights.sum()), float(weights.sum())],
            np.ones(2000, np.bool_),
        ),
        seed=0,
    )
    assert found.identities.shape == (MOST_GROUPS, 2)
    np.testing.assert_array_equal(found.identities[:, 1], 1990)
    variance = found.uncertainty(0, jackknife_of(people, people).composition()).variance
    assert variance == pytest.approx(values.var() / 2000, rel=0.3)


def test_equally_present_identities_count_in_full() -> None:
    people = np.arange(12)
    assert jackknife_of(people, people).composition().identities == pytest.approx(12)
    assert jackknife_of(people, np.roll(people, 1)).composition().identities == pytest.approx(12)


def test_an_identity_that_holds_most_pairs_leaves_few_effective_ones() -> None:
    people = np.array([0] * 100 + [1, 2, 3])
    assert jackknife_of(people, people).composition().identities < 1.1


def test_no_pairs_have_no_identities() -> None:
    nobody = np.empty(0, np.int64)
    jackknife = jackknife_of(nobody, nobody)
    assert (jackknife.identities, jackknife.composition().identities) == (0, 0)


def test_a_metric_that_some_identities_alone_make_possible_has_no_interval_but_a_reason() -> None:
    people = np.arange(10)
    found = jackknife_of(people, people).uncertainties(
        each(lambda weights: [1.0 if weights[:2].all() else math.nan], np.ones(10, np.bool_)),
        seed=0,
    )
    interval = found[0].interval(0.8, is_rate=True)
    assert interval.low is None
    assert interval.reason == "the metric does not exist without the pairs of 2 of 10 identities"


def test_of_twelve_unequal_people_it_covers_without_being_twice_as_wide_as_needed() -> None:
    """A short form of ``tests/benchmarks/bootstrap_coverage.py``."""
    people, half, repeats = 12, 240, 150
    truth = 0.5 * math.erfc(-1.25 / math.hypot(0.7, 1) / math.sqrt(2))
    values, ends = [], []
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        presence = np.minimum(random.pareto(1.5, people) + 0.3, 10)
        shown = random.choice(people, half, p=presence / presence.sum())
        scores = random.normal(size=half) + 2.5 + 0.7 * random.normal(size=people)[shown]
        accepted = scores >= 1.25
        (found,) = jackknife_of(shown, shown).uncertainties(share_of(accepted), seed=0)
        interval = found.interval(float(accepted.mean()), is_rate=True)
        values.append(accepted.mean())
        ends.append((interval.low, interval.high))
    low, high = np.array(ends, np.float64).T
    has_one = np.isfinite(low)
    assert has_one.mean() > 0.9
    assert ((low <= truth) & (truth <= high))[has_one].mean() > 0.93
    assert np.mean((high - low)[has_one]) / (3.92 * np.std(values)) < 1.4
