import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

from facesim.arrays import Int64Array
from facesim.evaluation.intervals import (
    IdentityBootstrap,
    bootstrap_interval,
    student_t_quantile,
    wilson_interval,
)
from facesim.interfaces.scores import LabelledScores

SPREAD = np.random.default_rng(0).normal(0.8, 0.03, 4000)


def test_with_many_identities_it_is_near_two_standard_errors_either_way() -> None:
    interval = bootstrap_interval(0.8, SPREAD, 1e6, is_rate=False)
    assert (interval.low, interval.high) == pytest.approx((0.7412, 0.8588), abs=2e-3)
    as_rate = bootstrap_interval(0.8, SPREAD, 1e6, is_rate=True)
    assert (as_rate.low, as_rate.high) == pytest.approx((0.7412, 0.8588), abs=1e-2)


def test_fewer_identities_make_it_wider() -> None:
    widths = []
    for identities in (1000, 40, 10, 4):
        interval = bootstrap_interval(0.8, SPREAD, identities, is_rate=True)
        assert interval.low is not None
        assert interval.high is not None
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_rate_without_any_error_has_an_interval_as_wide_as_its_identities_are_few(
    value: float,
) -> None:
    interval = bootstrap_interval(value, np.full(1000, value), 20, is_rate=True)
    assert interval.low is not None
    assert interval.high is not None
    assert 0.15 < interval.high - interval.low < 0.25
    assert interval.low <= value <= interval.high


def test_a_rate_stays_within_0_and_1() -> None:
    interval = bootstrap_interval(0.99, np.clip(SPREAD + 0.19, 0, 1), 5, is_rate=True)
    assert interval.low is not None
    assert interval.high is not None
    assert 0 < interval.low < 0.99 < interval.high <= 1


def test_too_few_identities_have_no_interval_but_a_reason() -> None:
    interval = bootstrap_interval(0.8, SPREAD, 2.5, is_rate=True)
    assert interval.low is None
    assert "only 2.5 effective identities" in (interval.reason or "")


def test_a_metric_that_most_resamples_lack_has_no_interval_but_a_reason() -> None:
    interval = bootstrap_interval(0.8, np.array([np.nan] * 2 + [0.8] * 8), 10, is_rate=True)
    assert interval.low is None
    assert interval.reason == "the metric does not exist in 2 of 10 resamples"


@pytest.mark.parametrize("successes", [0, 1, 7, 10])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_its_ends_are_the_shares_that_a_score_test_just_accepts(
    successes: int, level: float
) -> None:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    low, high = wilson_interval(successes / 10, 10, level)
    for end in (low, high):
        accepted = z * math.sqrt(end * (1 - end) / 10)
        assert abs(successes / 10 - end) == pytest.approx(accepted, abs=1e-7)
    assert 0 <= low <= successes / 10 <= high <= 1


def test_no_error_in_a_hundred_trials_leaves_room_for_some() -> None:
    assert wilson_interval(1.0, 100) == pytest.approx((0.96300, 1.0), abs=1e-5)


def test_no_trials_have_no_interval() -> None:
    assert all(math.isnan(end) for end in wilson_interval(math.nan, 0))


@pytest.mark.parametrize(
    ("degrees", "probability", "tabulated"),
    [
        (1, 0.975, 12.706205),
        (1, 0.995, 63.656741),
        (1.5, 0.975, 6.0166631),
        (1.5, 0.995, 17.820311),
        (2, 0.975, 4.3026527),
        (2, 0.995, 9.9248432),
        (3.7, 0.975, 2.8675207),
        (3.7, 0.995, 4.8692523),
        (10, 0.975, 2.2281389),
        (10, 0.995, 3.1692727),
        (40, 0.975, 2.0210754),
        (40, 0.995, 2.7044593),
        (150, 0.975, 1.9759053),
        (150, 0.995, 2.6090026),
        (1e06, 0.975, 1.9599664),
        (1e06, 0.995, 2.5758342),
    ],
)
def test_students_quantile_is_the_tabulated_one(
    degrees: float, probability: float, tabulated: float
) -> None:
    assert student_t_quantile(probability, degrees) == pytest.approx(tabulated, rel=1e-5)


@pytest.mark.parametrize("probability", [0.5, 0.7, 0.99])
def test_students_quantile_of_one_and_two_degrees_has_a_closed_form(probability: float) -> None:
    above = probability - 0.5
    cauchy, two = math.tan(math.pi * above), 2 * above * math.sqrt(2 / (1 - 4 * above**2))
    assert student_t_quantile(probability, 1) == pytest.approx(cauchy)
    assert student_t_quantile(probability, 2) == pytest.approx(two)


def test_students_quantile_is_symmetric() -> None:
    assert student_t_quantile(0.025, 5) == pytest.approx(-student_t_quantile(0.975, 5))


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
