"""From scored pairs to everything that ``metrics.json`` says about them."""

import math
from collections.abc import Mapping, Sequence

import numpy.typing as npt

from facesim.errors import FacesimError
from facesim.evaluation import metrics
from facesim.evaluation.equal_error_rate import equal_error_rate
from facesim.evaluation.estimates import Question, estimate
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.metrics import ACCURACY, FAR, FNMR, PAIR_METRICS, TAR, PairMetric
from facesim.evaluation.operating_points import (
    BEST_ACCURACY,
    OperatingPoint,
    choose_operating_points,
)
from facesim.evaluation.pair_identities import checked_identities
from facesim.evaluation.result import (
    AchievedPoint,
    Estimate,
    EvaluationResult,
    FnmrAtFmrEstimate,
    TarAtFarEstimate,
)
from facesim.evaluation.roc import Roc, SortedPairs, checked_scores
from facesim.evaluation.tar_at_far import tar_at_far
from facesim.evaluation.wilson import wilson_interval

RESAMPLES = 1000
"""Resamples behind an interval that is reported."""

_ACHIEVED = (FAR, TAR, ACCURACY)
"""What is reported of every operating point."""


def evaluate_scores(
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    first_identities: npt.ArrayLike,
    second_identities: npt.ArrayLike,
    *,
    operating_points: Sequence[OperatingPoint] | None = None,
    threshold_source: str = "these pairs",
    loss: float | None = None,
    seed: int = 0,
    resamples: int = 0,
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
        seed: of the resamples.
        resamples: how many resamples of the identities the intervals rest on, `RESAMPLES` for
            figures to be reported; 0 for no intervals, as at the end of an epoch.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, ``same`` contradicts the
            identities, or ``operating_points`` lacks ``best_accuracy``.
    """
    scores, same = checked_scores(scores, same)
    bootstrap = IdentityBootstrap.of(
        *checked_identities(first_identities, second_identities, same), same
    )
    pairs = SortedPairs.of(scores, same)
    roc = pairs.roc()
    points = choose_operating_points(roc) if operating_points is None else operating_points
    headline = _headline(points)
    questions = _questions(points, headline)
    answers = estimate(questions, pairs, bootstrap, seed=seed, resamples=resamples)
    return EvaluationResult(
        pairs=len(scores),
        genuine=roc.genuine,
        impostor=roc.impostor,
        identities=bootstrap.identities,
        threshold=headline.threshold,
        threshold_source=threshold_source,
        loss=_finite(loss),
        **{metric.name: answers[_ask(metric, headline)] for metric in metrics.SINGLE_METRICS},
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
        seed=seed,
        resamples=resamples,
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


def _ask(metric: PairMetric, point: OperatingPoint) -> Question:
    return metric, point.threshold if metric.at_threshold else None


def _questions(points: Sequence[OperatingPoint], headline: OperatingPoint) -> list[Question]:
    achieved = [_ask(metric, point) for point in points for metric in _ACHIEVED]
    return list(dict.fromkeys([_ask(metric, headline) for metric in PAIR_METRICS] + achieved))


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


def _achieved(point: OperatingPoint, answers: Mapping[Question, Estimate]) -> AchievedPoint:
    return AchievedPoint(
        name=point.name,
        threshold=point.threshold,
        **{metric.name: answers[_ask(metric, point)] for metric in _ACHIEVED},
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
