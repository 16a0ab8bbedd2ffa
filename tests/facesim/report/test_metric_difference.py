"""Differences of runs and what they show."""

import math

from facesim.evaluation.result import Estimate
from facesim.report.metric_difference import MetricDifference

FIRST = Estimate(value=0.80, low=0.77, high=0.84)
SECOND = Estimate(value=0.90, low=0.88, high=0.91)


def test_independent_intervals_are_combined_by_squares() -> None:
    found = MetricDifference.of_independent("accuracy", FIRST, SECOND)
    assert found.difference is not None
    assert found.low is not None
    assert found.high is not None
    assert math.isclose(found.difference, 0.10)
    assert math.isclose(found.low, 0.10 - math.sqrt(0.02**2 + 0.04**2))
    assert math.isclose(found.high, 0.10 + math.sqrt(0.01**2 + 0.03**2))


def test_the_verdict_follows_the_metrics_direction() -> None:
    assert MetricDifference.of_independent("accuracy", FIRST, SECOND).verdict == "better"
    assert MetricDifference.of_independent("eer", FIRST, SECOND).verdict == "worse"
    same = MetricDifference.of_independent("eer", FIRST, FIRST)
    assert same.verdict == "no difference shown"
    assert "no difference shown" in same.as_text()


def test_what_does_not_exist_in_both_runs_has_a_reason() -> None:
    missing = Estimate(value=None, reason="no impostor pair")
    found = MetricDifference.of_independent("eer", FIRST, missing)
    assert found.difference is None
    assert found.as_text() == "no impostor pair"
    without = MetricDifference.of_independent("eer", FIRST, Estimate(value=0.7))
    assert without.verdict == "no difference shown"
    assert "a run has no interval" in without.as_text()
