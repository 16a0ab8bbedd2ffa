"""Differences of metrics between two systems: paired on the same comparisons, or independent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import FiniteFloat

from facesim.arrays import FloatArray
from facesim.errors import FacesimError
from facesim.evaluation.identity_jackknife import INTERVAL_NAME, IdentityJackknife
from facesim.evaluation.intervals import (
    LEVEL,
    level_of_each,
    name_together,
    student_t_quantile,
)
from facesim.evaluation.metric_deletions import metric_deletions
from facesim.evaluation.pooling import measure_metrics, metric_value, undefined_reason
from facesim.evaluation.uncertainty import Deletions, Uncertainty
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.result import Estimate
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel

INDEPENDENT_INTERVAL = "independent_95"


class MetricDifference(JsonModel):
    """By how much the second system's metric exceeds the first's.

    Attributes:
        metric: its name.
        difference: second minus first; None where the metric does not exist in both.
        low: lower end of the interval of the difference.
        high: upper end.
        interval: the method and level of the interval.
        better: ``first`` or ``second`` if the interval excludes 0, by the metric's direction;
            None if no difference is shown.
        reason: why the difference or its interval does not exist.
    """

    metric: str
    difference: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    better: Literal["first", "second"] | None = None
    reason: str | None = None


def independent_difference(
    metric: Quantity,
    first: Estimate,
    second: Estimate,
    *,
    comparisons: int = 1,
    degrees: float = 1.0,
) -> MetricDifference:
    """The difference of two estimates, treated as independent.

    The distances from each value to the ends of its interval are squared and added. Newcombe,
    "Interval estimation for the difference between independent proportions", 1998; Zou and
    Donner, "Construction of confidence limits about effect measures", 2008.

    Args:
        metric: with its direction.
        first: the metric of the first system.
        second: the metric of the second.
        comparisons: for which the intervals hold together; where there are several, the distances
            are stretched as the quantiles of Student's t are.
        degrees: of freedom of the intervals, which is the number of people less one.
    """
    if first.value is None or second.value is None:
        reason = first.reason or second.reason
        return MetricDifference(metric=metric.name, difference=None, reason=reason)
    difference = second.value - first.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        reason = first.reason or second.reason or "a run has no interval"
        return MetricDifference(metric=metric.name, difference=difference, reason=reason)
    wider = _stretch(comparisons, degrees)
    low = difference - wider * math.hypot(second.value - second.low, first.high - first.value)
    high = difference + wider * math.hypot(second.high - second.value, first.value - first.low)
    better = metric.better_side(low, high)
    return MetricDifference(
        metric=metric.name,
        difference=difference,
        low=low,
        high=high,
        interval=name_together(INDEPENDENT_INTERVAL, comparisons),
        better=better,
    )


def _stretch(comparisons: int, degrees: float) -> float:
    levels = (level_of_each(comparisons), LEVEL)
    wide, usual = (student_t_quantile(0.5 + level / 2, degrees) for level in levels)
    return wide / usual


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """One run's scores of the comparisons that both runs scored.

    Attributes:
        scored: the comparisons.
        threshold: the run's own, chosen on val; None leaves out the metrics that need one.
    """

    scored: LabelledScores
    threshold: float | None

    def undefined_reason(self, metric: Metric) -> str | None:
        """Why the metric does not exist for this run."""
        if metric.at_threshold and self.threshold is None:
            return "there is no threshold"
        return undefined_reason(metric, self.scored.roc())

    def value(self, metric: Metric, roc: Roc) -> float:
        """The metric of a curve of this run's scores."""
        return metric_value(metric, roc, self.threshold)

    def deletions(self, metrics: Sequence[Metric], seed: int) -> Deletions:
        """Each of the metrics without each identity in turn; see `metric_deletions`."""
        queries = [(each, self.threshold if each.at_threshold else None) for each in metrics]
        return metric_deletions(self.scored, queries, seed)

    def values(self, metrics: Sequence[Metric], weights: PairWeights) -> FloatArray:
        """Each of K metrics under B weights of the comparisons, float64 [B, K]."""
        queries = [(each, self.threshold) for each in metrics]
        return measure_metrics(queries, self.scored.rocs(weights))


def paired_differences(
    first: ScoredRun,
    second: ScoredRun,
    metrics: Mapping[str, Metric],
    *,
    seed: int,
    comparisons: int = 1,
) -> tuple[MetricDifference, ...]:
    """The difference of every metric, each run measured without the same identities in turn.

    What the identities have in common for both runs, hard ones and easy ones, so cancels, and
    smaller differences show than two separate intervals would tell apart.

    Args:
        first: a run.
        second: another run's scores of the same P comparisons, in the same order.
        metrics: those to compare, by name.
        seed: of random groups of pairs.
        comparisons: for which the intervals of a metric hold together.

    Raises:
        FacesimError: the runs scored different comparisons.
    """
    if not first.scored.has_same_comparisons_as(second.scored):
        raise FacesimError("the two runs scored different pairs, which cannot be paired")
    reasons = {
        name: first.undefined_reason(metric) or second.undefined_reason(metric)
        for name, metric in metrics.items()
    }
    measured = [metrics[name] for name, reason in reasons.items() if reason is None]

    spread: list[Uncertainty] = []
    if measured:
        deletions = second.deletions(measured, seed) - first.deletions(measured, seed)
        # What makes people unequal is mostly in both and cancels: no random effects.
        composition = IdentityJackknife.of(first.scored).composition()
        composition = replace(composition, counts=None)
        spread = deletions.uncertainties(composition)
    whole = [
        second.value(each, second.scored.roc()) - first.value(each, first.scored.roc())
        for each in measured
    ]
    found = iter(zip(whole, spread, strict=True))
    return tuple(
        MetricDifference(metric=name, difference=None, reason=reasons[name])
        if reasons[name]
        else _judged(metric, *next(found), comparisons)
        for name, metric in metrics.items()
    )


def _judged(
    metric: Metric, difference: float, uncertainty: Uncertainty, comparisons: int
) -> MetricDifference:
    level = level_of_each(comparisons)
    interval = uncertainty.interval(difference, is_rate=False, level=level)
    better = metric.better_side(interval.low, interval.high)
    return MetricDifference(
        metric=metric.name,
        difference=difference,
        low=interval.low,
        high=interval.high,
        interval=None if interval.reason else name_together(INTERVAL_NAME, comparisons),
        better=better,
        reason=interval.reason,
    )
