"""One evaluation: a protocol's comparisons on a table, measured for any system."""

from collections.abc import Mapping
from dataclasses import dataclass

from facesim.arrays import Int64Array
from facesim.evaluation.evaluate import (
    Resampling,
    Thresholds,
    evaluate_curve,
    evaluate_scores,
)
from facesim.evaluation.headline import choose_headline
from facesim.interfaces import FaceTable
from facesim.interfaces.metric import Metric
from facesim.interfaces.protocol import Comparisons, Evaluator, Measurement, Protocol, System
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores
from facesim.registry import Spec


@dataclass(frozen=True, eq=False)
class EvaluationTask:
    """What is measured, whichever system it is measured for.

    Attributes:
        protocol: plans and measures the comparisons.
        comparisons: what it has planned for ``table``.
        table: the images.
        metrics: what is measured, by name.
        seed: of what is drawn for intervals.
        resamples: draws for those that need draws.
    """

    protocol: Spec[Protocol]
    comparisons: Comparisons
    table: FaceTable
    metrics: Mapping[str, Metric]
    seed: int
    resamples: int

    def measure(self, system: System, thresholds: Thresholds) -> Measurement:
        """Measure a system at thresholds that were chosen for it elsewhere.

        Raises:
            FacesimError: an image cannot be used, or a score is NaN or infinite.
        """
        evaluator = _Evaluator(self, thresholds)
        protocol = self.protocol.build()
        found = protocol.measure(self.comparisons, self.table, system, evaluator)
        result = found.result.model_copy(update={"protocol": self.protocol.name})
        return Measurement(result, found.scored)


@dataclass(frozen=True, eq=False)
class _Evaluator(Evaluator):
    """The metrics of a task at the thresholds of one system."""

    task: EvaluationTask
    chosen: Thresholds

    @property
    def thresholds(self) -> tuple[float, ...]:
        return tuple(at.threshold for at in self.chosen.points if at.threshold is not None)

    @property
    def seed(self) -> int:
        return self.task.seed

    def evaluate(self, scored: LabelledScores, loss: float | None = None) -> EvaluationResult:
        genuine, impostor = int(scored.same.sum()), int((~scored.same).sum())
        headline = choose_headline(genuine, impostor, measured_on=impostor)
        result = evaluate_scores(
            scored,
            self._measured(headline),
            thresholds=self.chosen,
            loss=loss,
            seed=self.seed,
            resamples=self.task.resamples,
        )
        return _headed(result, headline)

    def evaluate_curve(
        self,
        roc: Roc,
        identities: int,
        sample: LabelledScores,
        stands_for: Int64Array | None = None,
    ) -> EvaluationResult:
        in_sample = int((~sample.same).sum())
        headline = choose_headline(roc.genuine, roc.impostor, measured_on=in_sample)
        result = evaluate_curve(
            roc,
            identities,
            self._measured(headline),
            thresholds=self.chosen,
            resampling=Resampling(
                sample, self.seed, self.task.resamples, stands_for, self.chosen.points
            ),
        )
        return _headed(result, headline)

    def _measured(self, headline: Metric | None) -> dict[str, Metric]:
        return {**self.task.metrics, **({} if headline is None else {headline.name: headline})}


def _headed(result: EvaluationResult, headline: Metric | None) -> EvaluationResult:
    name = None if headline is None else headline.name
    return result.model_copy(update={"headline": name})
