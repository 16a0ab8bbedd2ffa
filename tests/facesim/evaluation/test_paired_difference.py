import numpy as np
import pytest

from facesim.arrays import FloatArray
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.evaluation.metric_difference import MetricDifference
from facesim.evaluation.paired_difference import ScoredRun, paired_differences
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores

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
    found = paired_differences(first, second, METRICS, seed=0, resamples=200)
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
        paired_differences(
            ScoredRun(ours, 0.5), ScoredRun(theirs, 0.5), METRICS, seed=0, resamples=10
        )
