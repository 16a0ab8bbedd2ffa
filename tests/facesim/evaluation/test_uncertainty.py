"""Intervals from how far statistics vary, and what is expected of few people."""

from dataclasses import replace

import numpy as np
import pytest

from facesim.evaluation.intervals import student_t_quantile, wilson_interval
from facesim.evaluation.uncertainty import (
    FEWEST_EFFECTIVE_IDENTITIES,
    INTRACLASS,
    Composition,
    Deletions,
    OtherVariance,
    Uncertainty,
    simultaneous_level,
)


def of(identities: float, variance: float = 0.0009, mean: float = 0.8) -> Uncertainty:
    """As of pairs that share nobody but within their identity."""
    composition = Composition((1000, 0), (identities, 0.0))
    return Uncertainty(
        variance,
        0.0,
        mean,
        undefined=0,
        deletions=50,
        composition=composition,
        degrees=identities - 1,
    )


def test_with_many_identities_it_is_two_standard_errors_either_way() -> None:
    interval = of(1e6).interval(0.8, is_rate=False)
    assert (interval.low, interval.high) == pytest.approx((0.7412, 0.8588), abs=1e-4)
    as_rate = of(1e6).interval(0.8, is_rate=True)
    assert (as_rate.low, as_rate.high) == pytest.approx((0.7412, 0.8588), abs=1e-2)


@pytest.mark.parametrize("is_rate", [True, False])
def test_fewer_identities_make_it_wider(is_rate: bool) -> None:
    widths = []
    for identities in (1000, 40, 10, 4):
        interval = of(identities).interval(0.8, is_rate=is_rate)
        assert interval.low is not None
        assert interval.high is not None
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_rate_without_any_error_is_wider_than_of_independent_pairs(value: float) -> None:
    interval = of(20, variance=0.0, mean=value).interval(value, is_rate=True)
    assert interval.low is not None
    assert interval.high is not None
    assert 4 / 1000 < interval.high - interval.low < 0.05
    assert interval.low <= value <= interval.high


def test_a_rate_stays_within_0_and_1() -> None:
    interval = of(5, mean=0.99).interval(0.99, is_rate=True)
    assert interval.low is not None
    assert interval.high is not None
    assert 0 < interval.low < 0.99 < interval.high <= 1


def test_a_rate_is_less_certain_than_few_people_who_happen_to_be_alike() -> None:
    alike = replace(of(6, variance=1e-6), expected=0.0009)
    assert alike.moderated == pytest.approx((5 * 1e-6 + 2 * 0.0009) / 7)
    assert replace(of(1e6, variance=1e-6), expected=0.0009).moderated < 1.01e-6


def test_too_few_identities_have_no_interval_but_a_reason() -> None:
    interval = of(2.5).interval(0.8, is_rate=True)
    assert interval.low is None
    assert "only 2.5 effective identities" in (interval.reason or "")


def test_a_simultaneous_level_is_bonferronis_of_independent_statistics() -> None:
    changes = np.random.default_rng(0).normal(size=(400, 20))
    none = (np.empty((0, 20)), np.empty((0, 20)))
    level = simultaneous_level(Deletions(changes, none, none, changes[:1]), seed=0, draws=4000)
    assert 1 - level == pytest.approx(0.05 / 20, rel=0.25)
    same = Deletions(np.repeat(changes[:, :1], 20, axis=1), none, none, changes[:1])
    assert simultaneous_level(same, seed=0, draws=4000) == pytest.approx(0.95, abs=0.01)


def test_variance_from_elsewhere_widens_with_its_own_degrees_of_freedom() -> None:
    found = of(1e6)
    alone = found.interval(0.8, is_rate=False)
    many, few = (
        found.interval(0.8, is_rate=False, more=OtherVariance(0.0009, degrees))
        for degrees in (1e6, 3)
    )
    assert alone.high is not None
    assert many.high is not None
    assert few.high is not None
    assert many.high - 0.8 == pytest.approx(2**0.5 * (alone.high - 0.8), rel=1e-4)
    assert few.high > many.high


@pytest.mark.parametrize("variance", [0.0, 1e-33])
def test_variance_from_elsewhere_widens_a_rate_that_all_deletions_agree_on(variance: float) -> None:
    found = of(8, variance=variance, mean=0.5)
    fixed = found.interval(0.5, is_rate=True)
    again = found.interval(0.5, is_rate=True, more=OtherVariance(0.0009, 7))
    assert None not in (fixed.low, fixed.high, again.low, again.high)
    assert again.low < fixed.low  # type: ignore[operator]
    assert fixed.high < again.high  # type: ignore[operator]


def test_exactly_the_fewest_identities_have_an_interval() -> None:
    assert of(FEWEST_EFFECTIVE_IDENTITIES).reason is None
    assert of(np.nextafter(FEWEST_EFFECTIVE_IDENTITIES, 0)).reason is not None


def test_a_metric_may_be_undefined_in_exactly_a_tenth_of_the_deletions() -> None:
    assert replace(of(50), undefined=5).reason is None
    assert "6 of 50 identities" in (replace(of(50), undefined=6).reason or "")


NO_PAIRS = (np.empty((0, 1)), np.empty((0, 1)))


def test_the_jackknife_s_variance_is_the_sum_of_squares_times_all_but_one_over_all() -> None:
    """Of a mean it is exactly the variance of the mean, with N - 1 in the denominator."""
    values = np.random.default_rng(0).normal(size=7)
    without = np.array([[np.delete(values, at).mean()] for at in range(7)])
    deletions = Deletions(without, NO_PAIRS, NO_PAIRS, np.array([[values.mean()]]))
    found = deletions.uncertainty(0, Composition((7, 0), (7.0, 0.0)))
    assert found.variance == pytest.approx(values.var(ddof=1) / 7)
    assert found.degrees == 6


def test_of_equally_present_people_the_variance_has_one_degree_of_freedom_less() -> None:
    random = np.random.default_rng(0)
    deletions = Deletions(
        random.normal(size=(12, 1)),
        (random.normal(size=(12, 1)), np.zeros((12, 1))),
        (random.normal(size=(5, 1)), np.empty((0, 1))),
        np.zeros((1, 1)),
    )
    counts = (np.full(12, 4), np.zeros(12, np.int64))
    found = deletions.uncertainty(0, Composition((48, 0), (12.0, 0.0), counts))
    assert found.degrees == pytest.approx(11)


def test_of_a_difference_what_is_an_impostor_pair_s_own_counts_once() -> None:
    """By the jackknife over identities it counts twice, once with either identity."""
    random = np.random.default_rng(0)
    identities, genuine, impostor = (
        scale * random.normal(size=(12, 1)) for scale in (1.0, 0.1, 0.5)
    )

    def jackknife(values: np.ndarray) -> float:
        return float(np.square(values - values.mean()).mean() * 11)

    deletions = Deletions(identities, NO_PAIRS, (genuine, impostor), np.zeros((1, 1)))
    found = deletions.uncertainty(0, Composition((30, 30), (12.0, 12.0)))
    assert found.variance == pytest.approx(jackknife(identities) - jackknife(impostor))
    quiet = Deletions(0.1 * identities, NO_PAIRS, (genuine, impostor), np.zeros((1, 1)))
    found = quiet.uncertainty(0, Composition((30, 30), (12.0, 12.0)))
    assert found.variance == pytest.approx(jackknife(genuine) + jackknife(impostor))


def test_an_interval_is_student_s_with_the_degrees_of_its_variance() -> None:
    interval = of(10).interval(0.8, is_rate=False)
    reach = student_t_quantile(0.975, 9) * 0.03
    assert (interval.low, interval.high) == pytest.approx((0.8 - reach, 0.8 + reach))


def test_the_expectation_adds_its_degrees_of_freedom_to_a_rate_s() -> None:
    interval = of(10).interval(0.8, is_rate=True)
    expected = wilson_interval(0.8, 0.16 / 0.0009, quantile=student_t_quantile(0.975, 9 + 2))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_what_is_expected_never_makes_a_rate_more_certain() -> None:
    assert replace(of(6), expected=0.0).moderated == 0.0009


def test_of_equally_present_people_the_effects_are_those_of_an_analysis_of_variance() -> None:
    """Without pairs' own variance: the squares of the people's deviations, over one less.

    Of G people, leaving one out changes the mean by a (G - 1)th of that one's deviation.
    """
    people, pairs = 12, 4
    deviations = np.random.default_rng(0).normal(size=(people, 1))
    deviations -= deviations.mean()
    changes = -deviations / (people - 1)
    none = np.zeros((people, 1))
    deletions = Deletions(changes, (changes, none), (np.zeros((5, 1)), np.empty((0, 1))), none[:1])
    counts = (np.full(people, pairs), np.zeros(people, np.int64))
    found = deletions.uncertainty(0, Composition((48, 0), (12.0, 0.0), counts))
    squares = float(np.square(deviations).sum())
    assert found.variance == pytest.approx(squares / (people - 1) / people, rel=1e-6)


def test_a_design_effect_is_that_of_pairs_that_share_people() -> None:
    """Of 400 pairs of 40 people, ten per person; an impostor pair counts for two people."""
    composition = Composition((400, 400), (40.0, 80.0))
    assert composition.design_effects == pytest.approx((1 + 9 * INTRACLASS, 1 + 9 * INTRACLASS))
    assert composition.identities == 40
    assert composition.trials == pytest.approx(400 / (1 + 9 * INTRACLASS))
    assert Composition((400, 0), (40.0, 0.0)).design_effects[1] == 1.0
    assert Composition((400, 0), (40.0, 0.0)).trials == composition.trials
    assert Composition((0, 0), (0.0, 0.0)).trials == 0.0
    assert Composition((10, 0), (40.0, 0.0)).design_effects[0] == 1.0


def test_a_metric_that_exists_in_no_deletion_says_so_and_counts_them() -> None:
    undefined = np.full((10, 1), np.nan)
    deletions = Deletions(undefined, (undefined, undefined), (undefined, undefined), undefined[:1])
    found = deletions.uncertainty(0, Composition((1000, 0), (10.0, 0.0)))
    assert (found.undefined, found.deletions, found.variance) == (10, 10, 0.0)
    assert np.isnan(found.mean)
    told = "the metric does not exist without the pairs of 10 of 10 identities"
    assert found.interval(0.5, is_rate=True).reason == told
