"""Directions of metrics, and choosing the best of several values."""

import math

from facesim.interfaces.metric import MeanLoss, Metric
from facesim.interfaces.roc import Roc


class Area(Metric):
    label = "Area"

    def value(self, roc: Roc, threshold: float) -> float:
        return roc.area


class Error(Area):
    higher_is_better = False


def test_the_best_follows_the_direction_and_is_the_first_of_equals() -> None:
    values = [0.3, None, 0.1, math.nan, 0.1, 0.4]
    assert Error().best(values) == 2
    assert Area().best(values) == 5
    assert MeanLoss().best([None, math.nan]) is None


def test_directions_are_spelled_as_optuna_spells_them() -> None:
    assert (Area().direction, Error().direction) == ("maximize", "minimize")


def test_a_value_beats_none_and_nothing_beats_with_nan() -> None:
    assert Area().better(0.1, than=None)
    assert not Area().better(math.nan, than=0.0)
    assert not Area().better(None, than=None)


def test_a_metric_is_a_rate_if_it_lies_within_0_and_1() -> None:
    assert Area().is_rate
    assert not type("Wide", (Area,), {"range": (-1.0, 1.0)})().is_rate


def test_a_metric_without_a_reason_of_its_own_needs_pairs_of_both_kinds() -> None:
    assert Area().undefined_reason(Roc.of_scores([0.1], [True])) == "there is no impostor pair"


def test_an_equal_value_is_not_better() -> None:
    assert not Area().better(0.5, than=0.5)
    assert not Error().better(0.5, than=0.5)


def test_an_interval_that_touches_0_shows_no_side() -> None:
    assert Area().better_side(0.0, 0.5) is None
    assert Area().better_side(-0.5, 0.0) is None
    assert Area().better_side(0.1, 0.5) == Error().better_side(-0.5, -0.1) == "second"
    assert Area().better_side(-0.5, -0.1) == Error().better_side(0.1, 0.5) == "first"
    assert Area().better_side(None, None) is None
