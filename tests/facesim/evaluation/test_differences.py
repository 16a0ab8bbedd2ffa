import math

import numpy as np
import pytest

from facesim.arrays import FloatArray
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.evaluation.differences import (
    MetricDifference,
    ScoredRun,
    independent_difference,
    paired_differences,
)
from facesim.evaluation.identity_jackknife import INTERVAL_NAME
from facesim.evaluation.intervals import student_t_quantile
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import Quantity
from facesim.interfaces.result import Estimate
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores


class Accuracy(Quantity):
    name = "accuracy"


class Eer(Quantity):
    name = "eer"
    higher_is_better = False


BEFORE = Estimate(value=0.80, low=0.77, high=0.84)
AFTER = Estimate(value=0.90, low=0.88, high=0.91)


def test_independent_intervals_are_combined_by_squares() -> None:
    found = independent_difference(Accuracy(), BEFORE, AFTER)
    assert found.difference is not None
    assert found.low is not None
    assert found.high is not None
    assert math.isclose(found.difference, 0.10)
    assert math.isclose(found.low, 0.10 - math.sqrt(0.02**2 + 0.04**2))
    assert math.isclose(found.high, 0.10 + math.sqrt(0.01**2 + 0.03**2))


def test_the_better_one_follows_the_metrics_direction() -> None:
    assert independent_difference(Accuracy(), BEFORE, AFTER).better == "second"
    assert independent_difference(Eer(), BEFORE, AFTER).better == "first"
    assert independent_difference(Eer(), BEFORE, BEFORE).better is None


def test_what_does_not_exist_in_both_runs_has_a_reason() -> None:
    missing = Estimate(value=None, reason="no impostor pair")
    found = independent_difference(Eer(), BEFORE, missing)
    assert found.difference is None
    assert found.reason == "no impostor pair"


def test_without_both_intervals_nothing_is_shown() -> None:
    found = independent_difference(Eer(), BEFORE, Estimate(value=0.7))
    assert found.difference is not None
    assert (found.low, found.high, found.better) == (None, None, None)
    assert found.reason == "a run has no interval"


load_installed_plugins()
METRICS = built_metrics(standard_metrics())

GENERATOR = np.random.default_rng(0)
SAME = np.arange(1000) % 2 == 0
FIRST = GENERATOR.integers(25, size=1000)
SECOND = np.where(SAME, FIRST, (FIRST + 4) % 25)
EASE = GENERATOR.normal(size=25)[FIRST]
NOISE = GENERATOR.normal(size=1000)


def scores_of(quality: float) -> FloatArray:
    """Scores that share the identities' ease and most of the noise whatever the quality."""
    return np.asarray(NOISE + EASE + quality * SAME)


def compare(
    before: FloatArray, after: FloatArray, threshold: float | None = 0.5
) -> dict[str, MetricDifference]:
    first, second = (
        ScoredRun(LabelledScores.of(scores, SAME, FIRST, SECOND), threshold)
        for scores in (before, after)
    )
    found = paired_differences(first, second, METRICS, seed=0)
    return {difference.metric: difference for difference in found}


def test_a_run_does_not_differ_from_itself() -> None:
    for difference in compare(scores_of(1), scores_of(1)).values():
        assert difference.better is None
        assert difference.difference in (0, None)


def test_differences_are_second_minus_first_and_each_metric_knows_the_better() -> None:
    found = compare(scores_of(1), scores_of(1.5))
    areas = [Roc.of_scores(scores_of(quality), SAME).area for quality in (1, 1.5)]
    assert found["roc_auc"].difference == pytest.approx(areas[1] - areas[0])
    assert (found["eer"].difference or 0) < 0
    assert {found[name].better for name in ("roc_auc", "eer", "fnmr", "tar")} == {"second"}
    swapped = compare(scores_of(1.5), scores_of(1))
    assert {swapped[name].better for name in ("roc_auc", "eer", "fnmr", "tar")} == {"first"}


def test_a_difference_within_its_interval_shows_nothing() -> None:
    other = NOISE + EASE + SAME + np.random.default_rng(9).normal(0, 0.1, 1000)
    area = compare(scores_of(1), other)["roc_auc"]
    assert area.low is not None
    assert area.high is not None
    assert area.low < 0 < area.high
    assert area.better is None
    assert area.interval == INTERVAL_NAME
    alone = independent_difference(Accuracy(), BEFORE, AFTER)
    assert alone.interval == "independent_95"
    assert independent_difference(Accuracy(), BEFORE, Estimate(value=0.7)).interval is None


def test_every_metric_has_a_difference_or_a_reason() -> None:
    found = compare(scores_of(1), scores_of(2), threshold=None)
    assert list(found) == list(METRICS)
    assert found["accuracy"].reason == "there is no threshold"
    assert "not measurable" in (found["tar_at_far_1e-6"].reason or "")
    assert all((each.difference is None) == (each.reason is not None) for each in found.values())


def test_runs_on_other_pairs_are_refused() -> None:
    ours = LabelledScores.of(scores_of(1), SAME, FIRST, SECOND)
    theirs = LabelledScores.of(scores_of(1), SAME, FIRST + 1, SECOND + 1)
    with pytest.raises(FacesimError, match="different pairs"):
        paired_differences(ScoredRun(ours, 0.5), ScoredRun(theirs, 0.5), METRICS, seed=0)


@pytest.mark.parametrize("degrees", [4.0, 60.0])
def test_independent_intervals_that_hold_together_are_wider(degrees: float) -> None:
    alone = independent_difference(Accuracy(), BEFORE, AFTER, degrees=degrees)
    found = independent_difference(Accuracy(), BEFORE, AFTER, comparisons=5, degrees=degrees)
    wide, usual = (student_t_quantile(0.5 + level / 2, degrees) for level in (0.99, 0.95))
    for end in ("low", "high"):
        reaches = (getattr(each, end) - (each.difference or 0) for each in (found, alone))
        one, other = reaches
        assert one / other == pytest.approx(wide / usual)
    assert found.interval == f"{alone.interval}_simultaneous"
