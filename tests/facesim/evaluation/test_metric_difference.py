"""Differences of two systems that were measured on other people each."""

import math

from facesim.evaluation.metric_difference import independent_difference
from facesim.interfaces.metric import Quantity
from facesim.interfaces.result import Estimate


class Accuracy(Quantity):
    name = "accuracy"


class Eer(Quantity):
    name = "eer"
    higher_is_better = False


FIRST = Estimate(value=0.80, low=0.77, high=0.84)
SECOND = Estimate(value=0.90, low=0.88, high=0.91)


def test_independent_intervals_are_combined_by_squares() -> None:
    found = independent_difference(Accuracy(), FIRST, SECOND)
    assert found.difference is not None
    assert found.low is not None
    assert found.high is not None
    assert math.isclose(found.difference, 0.10)
    assert math.isclose(found.low, 0.10 - math.sqrt(0.02**2 + 0.04**2))
    assert math.isclose(found.high, 0.10 + math.sqrt(0.01**2 + 0.03**2))


def test_the_better_one_follows_the_metrics_direction() -> None:
    assert independent_difference(Accuracy(), FIRST, SECOND).better == "second"
    assert independent_difference(Eer(), FIRST, SECOND).better == "first"
    assert independent_difference(Eer(), FIRST, FIRST).better is None


def test_what_does_not_exist_in_both_runs_has_a_reason() -> None:
    missing = Estimate(value=None, reason="no impostor pair")
    found = independent_difference(Eer(), FIRST, missing)
    assert found.difference is None
    assert found.reason == "no impostor pair"


def test_without_both_intervals_nothing_is_shown() -> None:
    found = independent_difference(Eer(), FIRST, Estimate(value=0.7))
    assert found.difference is not None
    assert (found.low, found.high, found.better) == (None, None, None)
    assert found.reason == "a run has no interval"
