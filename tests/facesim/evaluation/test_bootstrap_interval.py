import numpy as np
import pytest

from facesim.evaluation.bootstrap_interval import bootstrap_interval

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
    assert "as few as 2.5 effective identities" in (interval.reason or "")


def test_a_metric_that_most_resamples_lack_has_no_interval_but_a_reason() -> None:
    interval = bootstrap_interval(0.8, np.array([np.nan] * 2 + [0.8] * 8), 10, is_rate=True)
    assert interval.low is None
    assert interval.reason == "the metric does not exist in 2 of 10 resamples"
