"""Metrics of untrained baselines on the same pairs: the model of ``baselines.json``."""

from dataclasses import dataclass

from facesim.evaluation.differences import MetricDifference, ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.operating_points import choose_operating_points
from facesim.evaluation.task import EvaluationTask
from facesim.interfaces import FaceTable, PairSet
from facesim.interfaces.protocol import Measurement, System
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel


class Baseline(JsonModel):
    """One entry of ``baselines.json``.

    Attributes:
        name: ``chance``, ``raw_pixels`` or ``untouched_backbone``.
        description: how it scores a pair, in one sentence.
        result: its metrics on the same pairs, at its own threshold from val.
        differences: by how much the trained system exceeds it, metric by metric; ``second`` is
            the trained system.
    """

    name: str
    description: str
    result: EvaluationResult
    differences: tuple[MetricDifference, ...]

    def gain(self, metric: str) -> MetricDifference:
        """The improvement of the trained system in the metric of this name.

        Raises:
            KeyError: the metric was not measured.
        """
        return {found.metric: found for found in self.differences}[metric]


@dataclass(frozen=True, eq=False)
class BaselineSystem:
    """An untrained system.

    Attributes:
        name: of the baseline.
        description: how it scores a pair, in one sentence.
        val: the system on the images of val.
        test: the system on the images of the evaluation.
    """

    name: str
    description: str
    val: System
    test: System


def measure_baseline(
    baseline: BaselineSystem, val_pairs: PairSet, task: EvaluationTask, trained: Measurement
) -> Baseline:
    """Choose thresholds on val, measure the task at them, and compare with the trained system.

    Args:
        baseline: the system.
        val_pairs: the pairs on which its thresholds are chosen.
        task: what is measured.
        trained: the trained system on the same task, with scores of single pairs.

    Raises:
        FacesimError: an image cannot be used, or a score is NaN or infinite.
    """
    val = Roc.of_scores(baseline.val.score_pairs(val_pairs).scores, val_pairs.same)
    thresholds = Thresholds(
        choose_operating_points(val), f"{val.genuine + val.impostor:,} pairs of val"
    )
    measured = task.measure(baseline.test, thresholds)
    differences = paired_differences(
        scored_run(measured, task.table),
        scored_run(trained, task.table),
        task.metrics,
        seed=task.seed,
        resamples=task.resamples,
    )
    return Baseline(
        name=baseline.name,
        description=baseline.description,
        result=measured.result,
        differences=differences,
    )


def scored_run(measured: Measurement, table: FaceTable) -> ScoredRun:
    """A measurement in the form that `paired_differences` takes.

    Raises:
        ValueError: the scores of single pairs were not kept.
    """
    scored = measured.scored
    if scored is None:
        raise ValueError("the scores of single pairs were not kept")
    labelled = LabelledScores.of_pairs(scored.scores, scored.pairs, table.identities)
    return ScoredRun(labelled, measured.result.threshold)
