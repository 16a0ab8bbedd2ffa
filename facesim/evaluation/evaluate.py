"""Scored comparisons, or their ROC curve, to an `EvaluationResult`: metrics with intervals."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.errors import FacesimError
from facesim.evaluation.calibration import (
    BEST_ACCURACY,
    OperatingPoint,
    choose_operating_points,
)
from facesim.evaluation.identity_jackknife import INTERVAL_NAME, IdentityJackknife
from facesim.evaluation.intervals import wilson_interval
from facesim.evaluation.metric_deletions import metric_deletions
from facesim.evaluation.pooling import (
    MetricQuery,
    curve_point,
    measure_metrics,
    metric_value,
    metric_values,
    undefined_reason,
)
from facesim.evaluation.uncertainty import (
    FEWEST_EFFECTIVE_IDENTITIES,
    Deletions,
    OtherVariance,
    Uncertainty,
)
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import (
    AchievedPoint,
    Estimate,
    EvaluationResult,
    ProcedureInterval,
)
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import PairWeights, RocBlock
from facesim.interfaces.scores import LabelledScores

SAMPLED_INTERVAL_NAME = f"{INTERVAL_NAME}_of_sampled_pairs"
"""What ``metrics.json`` calls an interval from a sample of the pairs that the value is of."""


@dataclass(frozen=True)
class Thresholds:
    """Operating points that were chosen elsewhere.

    Attributes:
        points: one per rule, `BEST_ACCURACY` among them.
        source: what they were chosen on, for the reader.
    """

    points: Sequence[OperatingPoint]
    source: str

    @property
    def headline(self) -> OperatingPoint:
        """The point at whose threshold metrics are measured.

        Raises:
            FacesimError: there is none.
        """
        for point in self.points:
            if point.name == BEST_ACCURACY:
                return point
        raise FacesimError(
            f"the operating points {[point.name for point in self.points]} lack "
            f"{BEST_ACCURACY!r}, which gives the headline accuracy; evaluate val again to choose it"
        )


@dataclass(frozen=True, eq=False)
class Resampling:
    """What intervals are made from.

    Attributes:
        scored: the comparisons, or a sample of them where they are too many.
        seed: of what is drawn for them.
        resamples: draws, where they need draws; 0 for no intervals.
        stands_for: int64 [P], how many of all pairs each in a sample represents; None if these
            are all of them.
        points: the thresholds that were chosen elsewhere, with their spread.
    """

    scored: LabelledScores
    seed: int
    resamples: int
    stands_for: Int64Array | None = None
    points: Sequence[OperatingPoint] = ()

    def with_intervals(
        self, estimates: Mapping[MetricQuery, Estimate]
    ) -> dict[MetricQuery, Estimate]:
        """The same estimates, each value with its interval or the reason why there is none.

        All metrics are measured on each block of curves in turn, so that one pass serves them all.
        """
        if not self.resamples:
            return dict(estimates)
        without = self._without_interval(estimates)
        values = {
            query: found.value
            for query, found in estimates.items()
            if found.value is not None and query not in without
        }
        if not values:
            return {**estimates, **without}

        composition = IdentityJackknife.of(self.scored).composition()
        spread = self._deletions(list(values)).uncertainties(composition)
        bounded = {
            query: self._bounded(query, estimates[query], uncertainty)
            for query, uncertainty in zip(values, spread, strict=True)
        }
        return {**estimates, **without, **bounded}

    def _deletions(self, queries: Sequence[MetricQuery]) -> Deletions:
        if self.stands_for is None:
            return metric_deletions(self.scored, queries, self.seed)

        def measure(weights: PairWeights) -> FloatArray:
            return measure_metrics(queries, self.scored.rocs(weights.times(self.stands_for)))

        return IdentityJackknife.of(self.scored).deletions(measure, self.seed)

    def _without_interval(
        self, estimates: Mapping[MetricQuery, Estimate]
    ) -> dict[MetricQuery, Estimate]:
        """The values of all pairs for which a sample of them is too small."""
        if self.stands_for is None:
            return {}
        roc = self.scored.roc()
        reasons = {query: _undefined_reason(query, roc) for query in estimates}
        sampled = f"intervals are made from {len(self.scored):,} sampled pairs"
        return {
            query: found.model_copy(update={"reason": f"{sampled}: {reasons[query]}"})
            for query, found in estimates.items()
            if found.value is not None and reasons[query] is not None
        }

    def _bounded(
        self, query: MetricQuery, estimate: Estimate, uncertainty: Uncertainty
    ) -> Estimate:
        assert estimate.value is not None  # noqa: S101  only values have intervals
        is_rate = query[0].is_rate
        interval = uncertainty.interval(estimate.value, is_rate=is_rate)
        procedure = None
        of_threshold = None if interval.reason else self._of_threshold(query)
        if of_threshold is not None:
            both = uncertainty.interval(estimate.value, is_rate=is_rate, more=of_threshold)
            if both.low is not None and both.high is not None:
                error = math.sqrt(of_threshold.variance)
                procedure = ProcedureInterval(low=both.low, high=both.high, threshold_error=error)
        name = INTERVAL_NAME if self.stands_for is None else SAMPLED_INTERVAL_NAME
        return estimate.model_copy(
            update={
                "low": interval.low,
                "high": interval.high,
                "interval": None if interval.reason else name,
                "reason": interval.reason,
                "procedure": procedure,
            }
        )

    def _of_threshold(self, query: MetricQuery) -> OtherVariance | None:
        """The metric's variance through the threshold, were it chosen on other people."""
        metric, threshold = query
        spreads = [
            at.spread
            for at in self.points
            if metric.at_threshold and at.threshold == threshold and at.spread is not None
        ]
        if not spreads or spreads[0].effective_identities < FEWEST_EFFECTIVE_IDENTITIES:
            return None
        thresholds = np.array(spreads[0].thresholds)
        curves = self._whole.take(np.zeros(len(thresholds), np.int64))
        values = metric_values(metric, thresholds, curves)
        return OtherVariance(statistics.variance(values.tolist()), spreads[0].degrees)

    @cached_property
    def _whole(self) -> RocBlock:
        """The curve of all pairs."""
        every = PairWeights.of_rows(np.ones((1, len(self.scored)), np.int64))
        return self.scored.rocs(every.times(self.stands_for))


def evaluate_scores(
    scored: LabelledScores,
    metrics: Mapping[str, Metric],
    *,
    thresholds: Thresholds | None = None,
    loss: float | None = None,
    seed: int = 0,
    resamples: int = 0,
) -> EvaluationResult:
    """Evaluate P scored comparisons.

    Args:
        scored: the comparisons.
        metrics: what is measured, by name.
        thresholds: chosen elsewhere; None chooses them on these very pairs, which flatters them
            and suits only the pairs of ``val``.
        loss: mean loss over these pairs, to be recorded with the rest.
        seed: of what is drawn for intervals.
        resamples: draws for those that need draws; 0 for no intervals, as at the end of an epoch.

    Raises:
        FacesimError: ``thresholds`` lacks ``best_accuracy``.
    """
    return evaluate_curve(
        scored.roc(),
        IdentityJackknife.of(scored).identities,
        metrics,
        thresholds=thresholds,
        loss=loss,
        resampling=Resampling(
            scored, seed, resamples, points=thresholds.points if thresholds else ()
        ),
    )


def evaluate_curve(
    roc: Roc,
    identities: int,
    metrics: Mapping[str, Metric],
    *,
    thresholds: Thresholds | None = None,
    loss: float | None = None,
    resampling: Resampling | None = None,
) -> EvaluationResult:
    """Evaluate the comparisons that a curve counts, be they too many to be held.

    Args:
        roc: the curve.
        identities: distinct identities in its comparisons.
        metrics: what is measured, by name.
        thresholds: as in :func:`evaluate_scores`.
        loss: mean loss over the comparisons, to be recorded with the rest.
        resampling: for intervals; None for none.

    Raises:
        FacesimError: ``thresholds`` lacks ``best_accuracy``.
    """
    if thresholds is None:
        thresholds = Thresholds(choose_operating_points(roc), "these pairs")
    headline = thresholds.headline.threshold
    queries = {name: _query(metric, headline) for name, metric in metrics.items()}
    achieved = [_query(rate, at.threshold) for at in thresholds.points for rate in _ACHIEVED]
    estimates = estimate_metrics([*queries.values(), *achieved], roc)
    if resampling is not None:
        estimates = resampling.with_intervals(estimates)
    reasons = {"threshold": thresholds.headline.reason}
    if _finite(loss) is None:
        reasons["loss"] = "not measured" if loss is None else f"the loss is {loss}"
    return EvaluationResult(
        pairs=roc.genuine + roc.impostor,
        genuine=roc.genuine,
        impostor=roc.impostor,
        identities=identities,
        threshold=headline,
        threshold_source=thresholds.source,
        loss=_finite(loss),
        metrics={name: estimates[query] for name, query in queries.items()},
        operating_points=tuple(_achieved_point(at, estimates) for at in thresholds.points),
        wilson=_wilson(roc, headline, metrics),
        seed=resampling.seed if resampling else 0,
        resamples=resampling.resamples if resampling else 0,
        reasons={field: reason for field, reason in reasons.items() if reason is not None},
    )


def estimate_metrics(queries: Iterable[MetricQuery], roc: Roc) -> dict[MetricQuery, Estimate]:
    """Evaluate each metric; undefined metrics carry a reason instead of a value."""
    return {query: _estimate(query, roc) for query in queries}


def _estimate(query: MetricQuery, roc: Roc) -> Estimate:
    reason = _undefined_reason(query, roc)
    value = None if reason else _measure(query, roc)
    if value is not None and not math.isfinite(value):
        value, reason = None, f"it is {value} on these pairs"
    return Estimate(value=value, reason=reason, point=curve_point(query[0], roc))


def _query(metric: Metric, threshold: float | None) -> MetricQuery:
    return metric, threshold if metric.at_threshold else None


def _undefined_reason(query: MetricQuery, roc: Roc) -> str | None:
    metric, threshold = query
    if metric.at_threshold and threshold is None:
        return "there is no threshold"
    return undefined_reason(metric, roc)


def _measure(query: MetricQuery, roc: Roc) -> float:
    metric, threshold = query
    return metric_value(metric, roc, threshold)


class _Rate(Metric):
    """A rate of one operating point, whichever metrics an experiment asks for."""

    at_threshold = True

    def __init__(self, rate: Literal["fmr", "tar", "accuracy"]) -> None:
        self.name = self.label = rate

    def value(self, roc: Roc, threshold: float) -> float:
        return float(getattr(roc.at(threshold), self.name))

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        found: FloatArray = getattr(curves.at(thresholds), self.name)
        return found

    def undefined_reason(self, roc: Roc) -> str | None:
        needed = {"fmr": roc.impostor, "tar": roc.genuine}.get(self.name, len(roc) - 1)
        return None if needed else roc.missing


_ACHIEVED = (_Rate("fmr"), _Rate("tar"), _Rate("accuracy"))
"""What is reported of every operating point."""


def _achieved_point(
    point: OperatingPoint, estimates: Mapping[MetricQuery, Estimate]
) -> AchievedPoint:
    return AchievedPoint(
        name=point.name,
        threshold=point.threshold,
        reason=point.reason,
        support=point.support,
        **{rate.name: estimates[_query(rate, point.threshold)] for rate in _ACHIEVED},
    )


def _wilson(
    roc: Roc, threshold: float | None, metrics: Mapping[str, Metric]
) -> dict[str, Estimate]:
    """Wilson's interval of each metric that is a proportion."""
    found = {}
    for name, metric in metrics.items():
        trials = metric.trials(roc)
        query = _query(metric, threshold)
        if trials and _undefined_reason(query, roc) is None:
            value = _measure(query, roc)
            low, high = wilson_interval(value, trials)
            found[name] = Estimate(value=value, low=low, high=high, interval="wilson_95")
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
