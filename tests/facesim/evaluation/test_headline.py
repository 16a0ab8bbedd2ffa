from pathlib import Path

import numpy as np
import pytest

from facesim.discovery import load_installed_plugins
from facesim.evaluation.calibration import choose_operating_points
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.headline import choose_headline, metrics_of_result
from facesim.evaluation.task import EvaluationTask
from facesim.interfaces import Comparisons, Evaluator, FaceTable, Measurement, System, protocols
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.protocol import Protocol
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
EMPTY = np.empty(0, np.int64)
METRICS = built_metrics(standard_metrics())


@pytest.mark.parametrize(
    ("genuine", "impostor", "name"),
    [
        (500, 500, None),
        (250, 750, None),
        (249, 751, "fnmr_at_fmr_1e-1"),
        (300, 3000, "fnmr_at_fmr_1e-2"),
        (300, 300_000, "fnmr_at_fmr_1e-4"),
        (900, 100, "fnmr_at_fmr_1e-1"),  # ten false matches: unstable, and the best there is
        (0, 0, None),
    ],
)
def test_most_comparisons_of_one_kind_are_headed_by_the_smallest_fmr_that_is_measured(
    genuine: int, impostor: int, name: str | None
) -> None:
    found = choose_headline(genuine, impostor, measured_on=impostor)
    assert (found.name if found else None) == name


def test_the_fmr_is_one_that_the_interval_can_be_made_from() -> None:
    found = choose_headline(300, 10_000_000, measured_on=3000)
    assert found is not None
    assert found.name == "fnmr_at_fmr_1e-2"


def evaluated(genuine: int, impostor: int) -> EvaluationResult:
    same = np.arange(genuine + impostor) < genuine
    first = np.arange(len(same)) % 40
    scores = np.random.default_rng(0).normal(size=len(same)) + 2 * same
    scored = LabelledScores.of(scores, same, first, np.where(same, first, (first + 1) % 40))

    class OfScores(Protocol):
        def plan(self, *_: object) -> Comparisons:
            raise NotImplementedError

        def measure(
            self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
        ) -> Measurement:
            return Measurement(evaluator.evaluate(scored))

    with protocols.isolated():
        protocols("of_scores")(OfScores)
        spec, table = protocols.spec("of_scores"), FaceTable(Path(), EMPTY, EMPTY, EMPTY)
        task = EvaluationTask(spec, Comparisons(), table, METRICS, 0, 1000)
        thresholds = Thresholds(choose_operating_points(scored.roc()), "val")
        return task.measure(object(), thresholds).result  # type: ignore[arg-type]


def test_a_task_measures_its_headline_with_an_interval() -> None:
    result = evaluated(genuine=100, impostor=900)
    assert result.larger_class_share == 0.9
    assert result.headline == "fnmr_at_fmr_1e-1"
    headline, tar = result.metrics[result.headline], result.metrics["tar_at_far_1e-1"]
    assert headline.value == pytest.approx(1 - (tar.value or 0))
    assert headline.interval is not None
    assert next(iter(metrics_of_result(result, METRICS))) == result.headline
    assert EvaluationResult.model_validate_json(result.model_dump_json()) == result


def test_equal_kinds_are_headed_by_the_experiment_s_metrics() -> None:
    result = evaluated(genuine=300, impostor=300)
    assert (result.larger_class_share, result.headline) == (0.5, None)
    assert "fnmr_at_fmr_1e-1" not in result.metrics
    assert metrics_of_result(result, METRICS) == METRICS


def test_a_result_of_before_gets_the_share_of_the_larger_class() -> None:
    before = evaluated(genuine=100, impostor=300).model_dump(mode="json")
    del before["larger_class_share"]
    del before["headline"]
    result = EvaluationResult.model_validate(before)
    assert (result.larger_class_share, result.headline) == (0.75, None)
