"""From a ROC curve to everything that ``metrics.json`` says about it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from facesim.errors import FacesimError
from facesim.evaluation import metrics
from facesim.evaluation.equal_error_rate import equal_error_rate
from facesim.evaluation.estimates import MetricQuery, Resampling, answer
from facesim.evaluation.metrics import ACCURACY, FAR, FNMR, PAIR_METRICS, TAR, PairMetric
from facesim.evaluation.operating_points import (
    BEST_ACCURACY,
    OperatingPoint,
    choose_operating_points,
)
from facesim.evaluation.result import (
    AchievedPoint,
    Estimate,
    EvaluationResult,
    FnmrAtFmrEstimate,
    TarAtFarEstimate,
)
from facesim.evaluation.roc import Roc
from facesim.evaluation.tar_at_far import tar_at_far
from facesim.evaluation.wilson import wilson_interval

_ACHIEVED = (FAR, TAR, ACCURACY)
"""What is reported of every operating point."""


def evaluate_curve(
    roc: Roc,
    identities: int,
    *,
    operating_points: Sequence[OperatingPoint] | None = None,
    threshold_source: str = "these pairs",
    loss: float | None = None,
    resampling: Resampling | None = None,
) -> EvaluationResult:
    """Evaluate the pairs that a curve counts, be they too many to be held.

    Args:
        roc: the curve.
        identities: distinct identities in its pairs.
        operating_points: thresholds chosen elsewhere; None chooses them on this very curve,
            which flatters it and suits only the pairs of ``val``.
        threshold_source: what the thresholds were chosen on, for the reader.
        loss: mean loss over the pairs, to be recorded with the rest.
        resampling: of the pairs, for intervals; None for no intervals.

    Raises:
        FacesimError: ``operating_points`` lacks ``best_accuracy``.
    """
    points = choose_operating_points(roc) if operating_points is None else operating_points
    headline = _headline(points)
    answers = answer(_questions(points, headline), roc)
    if resampling is not None:
        answers = resampling.with_intervals(answers)
    single: dict[str, Any] = {
        metric.name: answers[_query(metric, headline)] for metric in metrics.SINGLE_METRICS
    }
    return EvaluationResult(
        pairs=roc.genuine + roc.impostor,
        genuine=roc.genuine,
        impostor=roc.impostor,
        identities=identities,
        threshold=headline.threshold,
        threshold_source=threshold_source,
        loss=_finite(loss),
        **single,
        eer_threshold=_finite(equal_error_rate(roc).threshold),
        tar_at_far=tuple(
            _tar_at_far(roc, far, answers[metric, None])
            for far, metric in metrics.TAR_AT_FAR.items()
        ),
        fnmr_at_fmr=tuple(
            _fnmr_at_fmr(roc, fmr, answers[metric, None])
            for fmr, metric in metrics.FNMR_AT_FMR.items()
        ),
        operating_points=tuple(_achieved(point, answers) for point in points),
        wilson=_wilson(roc, headline),
        seed=resampling.seed if resampling else 0,
        resamples=resampling.resamples if resampling else 0,
        reasons=_reasons(roc, headline, loss),
    )


def _headline(points: Sequence[OperatingPoint]) -> OperatingPoint:
    for point in points:
        if point.name == BEST_ACCURACY:
            return point
    raise FacesimError(
        f"the operating points {[point.name for point in points]} lack {BEST_ACCURACY!r}, "
        "which gives the headline accuracy; evaluate val again to choose it"
    )


def _query(metric: PairMetric, point: OperatingPoint) -> MetricQuery:
    return metric, point.threshold if metric.at_threshold else None


def _questions(points: Sequence[OperatingPoint], headline: OperatingPoint) -> list[MetricQuery]:
    achieved = [_query(metric, point) for point in points for metric in _ACHIEVED]
    return list(dict.fromkeys([_query(metric, headline) for metric in PAIR_METRICS] + achieved))


def _tar_at_far(roc: Roc, far: float, answer: Estimate) -> TarAtFarEstimate:
    at, exists = tar_at_far(roc, far), answer.value is not None
    return TarAtFarEstimate(
        far=far,
        tar=answer.value,
        achieved_far=at.achieved_far if exists else None,
        false_accepts_allowed=at.false_accepts_allowed,
        threshold=at.threshold if exists else None,
        **answer.model_dump(exclude={"value"}),
    )


def _fnmr_at_fmr(roc: Roc, fmr: float, answer: Estimate) -> FnmrAtFmrEstimate:
    at, exists = tar_at_far(roc, fmr), answer.value is not None
    return FnmrAtFmrEstimate(
        fmr=fmr,
        fnmr=answer.value,
        achieved_fmr=at.achieved_far if exists else None,
        false_matches_allowed=at.false_accepts_allowed,
        threshold=at.threshold if exists else None,
        **answer.model_dump(exclude={"value"}),
    )


def _achieved(point: OperatingPoint, answers: Mapping[MetricQuery, Estimate]) -> AchievedPoint:
    return AchievedPoint(
        name=point.name,
        threshold=point.threshold,
        **{metric.name: answers[_query(metric, point)] for metric in _ACHIEVED},
        reason=point.reason,
    )


def _wilson(roc: Roc, headline: OperatingPoint) -> dict[str, Estimate]:
    if headline.threshold is None:
        return {}
    trials = {ACCURACY: roc.genuine + roc.impostor, FAR: roc.impostor}
    trials |= {TAR: roc.genuine, FNMR: roc.genuine}
    estimates = {}
    for metric, number in trials.items():
        if number:
            value = metric.function(roc, headline.threshold)
            low, high = wilson_interval(value, number)
            estimates[metric.name] = Estimate(value=value, low=low, high=high, interval="wilson_95")
    return estimates


def _reasons(roc: Roc, headline: OperatingPoint, loss: float | None) -> dict[str, str]:
    reasons = {"threshold": headline.reason, "eer_threshold": roc.missing}
    if _finite(loss) is None:
        reasons["loss"] = "not measured" if loss is None else f"the loss is {loss}"
    return {field: reason for field, reason in reasons.items() if reason is not None}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
