"""From scored pairs to everything that ``metrics.json`` says about them."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facesim.errors import FacesimError
from facesim.evaluation import metrics
from facesim.evaluation.equal_error_rate import equal_error_rate
from facesim.evaluation.metrics import PairMetric
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
from facesim.evaluation.roc import Roc, SortedPairs, checked_scores
from facesim.evaluation.tar_at_far import FAR_TARGETS, tar_at_far


def evaluate_scores(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    first_identities: npt.ArrayLike,
    second_identities: npt.ArrayLike,
    *,
    operating_points: Sequence[OperatingPoint] | None = None,
    threshold_source: str = "these pairs",
    loss: float | None = None,
) -> EvaluationResult:
    """Evaluate P scored pairs.

    Args:
        scores: float [P], higher is more alike.
        same: bool [P], True for genuine pairs.
        first_identities: int [P], the identity of each pair's first image.
        second_identities: int [P], the identity of its second image.
        operating_points: thresholds chosen elsewhere; None chooses them on these very pairs,
            which flatters them and suits only the pairs of ``val``.
        threshold_source: what the thresholds were chosen on, for the reader.
        loss: mean loss over these pairs, to be recorded with the rest.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, ``same`` contradicts the
            identities, or ``operating_points`` lacks ``best_accuracy``.
    """
    scores, same = checked_scores(scores, same)
    first, second = checked_identities(first_identities, second_identities, same)
    roc = SortedPairs.of(scores, same).roc()
    points = choose_operating_points(roc) if operating_points is None else operating_points
    headline = _headline(points)
    eer_threshold = equal_error_rate(roc).threshold
    single = {metric.name: _estimate(metric, roc, headline) for metric in metrics.SINGLE_METRICS}
    return EvaluationResult(
        pairs=len(scores),
        genuine=roc.genuine,
        impostor=roc.impostor,
        identities=len(np.union1d(first, second)),
        threshold=headline.threshold,
        threshold_source=threshold_source,
        loss=_finite(loss),
        **single,
        eer_threshold=_finite(eer_threshold),
        tar_at_far=tuple(_tar_at_far(roc, far) for far in FAR_TARGETS),
        fnmr_at_fmr=tuple(_fnmr_at_fmr(roc, far) for far in FAR_TARGETS),
        operating_points=tuple(_achieved(roc, point) for point in points),
        seed=0,
        resamples=0,
        reasons=_reasons(roc, headline, loss),
    )


def checked_identities(
    first: npt.ArrayLike, second: npt.ArrayLike, same: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The identities of both sides of P pairs as int64 [P].

    Raises:
        FacesimError: lengths differ, or ``same`` contradicts the identities.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if not first.shape == second.shape == same.shape:
        raise FacesimError(
            f"identities of shapes {first.shape} and {second.shape} for {same.size} pairs: "
            "each needs one entry per pair"
        )
    wrong = np.flatnonzero((first == second) != same)
    if wrong.size:
        raise FacesimError(
            f"{wrong.size} pairs contradict their identities, the first is pair {wrong[0]}: "
            f"identities {first[wrong[0]]} and {second[wrong[0]]}, "
            f"same = {int(same[wrong[0]])}; same is 1 for one identity and 0 for two"
        )
    return first, second


def _headline(points: Sequence[OperatingPoint]) -> OperatingPoint:
    for point in points:
        if point.name == BEST_ACCURACY:
            return point
    raise FacesimError(
        f"the operating points {[point.name for point in points]} lack {BEST_ACCURACY!r}, "
        "which gives the headline accuracy; evaluate val again to choose it"
    )


def _estimate(metric: PairMetric, roc: Roc, point: OperatingPoint) -> Estimate:
    reason = metric.why_undefined(roc)
    if metric.at_threshold and point.threshold is None:
        reason = f"there is no threshold: {point.reason}"
    if reason is not None:
        return Estimate(value=None, reason=reason)
    threshold = math.nan if point.threshold is None else point.threshold
    return Estimate(value=metric.function(roc, threshold))


def _tar_at_far(roc: Roc, far: float) -> TarAtFarEstimate:
    at, metric = tar_at_far(roc, far), metrics.tar_at_far_metric(far)
    reason = metric.why_undefined(roc)
    return TarAtFarEstimate(
        far=far,
        tar=None if reason else at.tar,
        achieved_far=None if reason else at.achieved_far,
        false_accepts_allowed=at.false_accepts_allowed,
        threshold=None if reason else at.threshold,
        reason=reason,
    )


def _fnmr_at_fmr(roc: Roc, fmr: float) -> FnmrAtFmrEstimate:
    tar = _tar_at_far(roc, fmr)
    return FnmrAtFmrEstimate(
        fmr=fmr,
        fnmr=None if tar.tar is None else 1.0 - tar.tar,
        achieved_fmr=tar.achieved_far,
        false_matches_allowed=tar.false_accepts_allowed,
        threshold=tar.threshold,
        reason=tar.reason,
    )


def _achieved(roc: Roc, point: OperatingPoint) -> AchievedPoint:
    return AchievedPoint(
        name=point.name,
        threshold=point.threshold,
        far=_estimate(metrics.FAR, roc, point),
        tar=_estimate(metrics.TAR, roc, point),
        accuracy=_estimate(metrics.ACCURACY, roc, point),
        reason=point.reason,
    )


def _reasons(roc: Roc, headline: OperatingPoint, loss: float | None) -> dict[str, str]:
    reasons = {"threshold": headline.reason, "eer_threshold": roc.missing}
    if _finite(loss) is None:
        reasons["loss"] = "not measured" if loss is None else f"the loss is {loss}"
    return {field: reason for field, reason in reasons.items() if reason is not None}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
