"""Numbers as a reader wants to see them."""

import pytest

from facesim.evaluation.differences import MetricDifference
from facesim.interfaces.result import Estimate
from facesim.report.formatting import (
    count,
    difference,
    estimate,
    is_percentage,
    metric_label,
    metric_value,
    number,
    percent,
    signed,
)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.8203, "82.03%"), (1.0, "100.00%"), (0.0, "0.00%"), (0.000081, "0.0081%"), (None, "-")],
)
def test_shares_are_percentages_and_small_ones_keep_two_digits(
    share: float | None, text: str
) -> None:
    assert percent(share) == text


def test_rates_are_in_percent_and_other_metrics_are_not() -> None:
    assert is_percentage("eer")
    assert is_percentage("tar_at_far_1e-3")
    assert not is_percentage("roc_auc")
    assert not is_percentage("d_prime")
    assert not is_percentage("loss")
    assert metric_value("d_prime", 1.23456) == "1.235"


def test_a_difference_has_a_sign_and_of_percentages_is_in_points() -> None:
    assert signed("accuracy", 0.012) == "+1.20"
    assert signed("d_prime", -0.25) == "-0.25"


def test_a_value_without_interval_stands_alone_and_a_missing_one_gives_its_reason() -> None:
    assert estimate("eer", Estimate(value=0.25, low=0.2, high=0.3)) == "25.00% (20.00% to 30.00%)"
    assert estimate("eer", Estimate(value=0.25)) == "25.00%"
    assert estimate("eer", Estimate(value=None, reason="no impostor pair")) == "no impostor pair"


def test_counts_follow_their_number() -> None:
    assert count(1, "pair") == "1 pair"
    assert count(6000, "pair") == "6,000 pairs"
    assert count(12, "identity") == "12 identities"


def test_large_numbers_have_no_exponent() -> None:
    assert number(123456.0) == "123,456"
    assert number(-1.01854) == "-1.019"


def test_metrics_have_names_for_readers() -> None:
    assert metric_label("tar_at_far_1e-3") == "TAR at FAR 1e-3"
    assert metric_label("accuracy") == "Accuracy"


def test_a_difference_of_rates_is_in_points_and_says_which_run_is_better() -> None:
    found = MetricDifference(metric="eer", difference=-0.012, low=-0.02, high=-0.003)
    assert difference(found) == "-1.20 points (-2.00 to -0.30): no difference shown"
    better = found.model_copy(update={"better": "second"})
    assert difference(better).endswith(": better")
    worse = found.model_copy(update={"better": "first"})
    assert difference(worse).endswith(": worse")


def test_a_difference_without_value_or_interval_says_why() -> None:
    missing = MetricDifference(metric="eer", difference=None, reason="no impostor pair")
    assert difference(missing) == "no impostor pair"
    alone = MetricDifference(metric="d_prime", difference=0.5, reason="a run has no interval")
    assert difference(alone) == "+0.5, without an interval: a run has no interval"
