"""A result whose every number was worked out by hand."""

from typing import Any

from facesim.discovery import load_installed_plugins
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.result import AchievedPoint, CurvePoint, Estimate, EvaluationResult

load_installed_plugins()
METRICS = built_metrics(standard_metrics())


def at_target(
    target: float, tar: float, false_matches: int, low: float | None, high: float | None
) -> Estimate:
    """A TAR at a target FMR, with the support that so many false matches give."""
    status = FmrStatus.of(false_matches)
    support = FmrSupport(status=status, false_matches=false_matches, identities=7)
    point = CurvePoint(target=target, threshold=0.75, achieved_fmr=0.9 * target, tar=tar)
    point = point.model_copy(update={"support": support})
    return Estimate(value=tar, low=low, high=high, point=point)


def small_result(**changed: Any) -> EvaluationResult:
    """Of 400 pairs of 40 people; TAR at three targets: measured, unstable, not measurable."""
    point = AchievedPoint(
        name="accuracy",
        threshold=0.5,
        fmr=Estimate(value=0.125),
        tar=Estimate(value=0.75),
        accuracy=Estimate(value=0.8125),
    )
    result = EvaluationResult(
        pairs=400,
        genuine=200,
        impostor=200,
        identities=40,
        threshold=0.5,
        threshold_source="100 pairs of val",
        loss=None,
        metrics={
            "tar_at_far_1e-1": at_target(0.1, 0.75, 30, 0.625, 0.8125),
            "tar_at_far_1e-2": at_target(0.01, 0.5, 29, 0.25, 0.625),
            "tar_at_far_1e-3": at_target(0.001, 0.25, 2, 0.125, 0.5),
        },
        operating_points=(point,),
        wilson={},
        seed=0,
        resamples=0,
        reasons={},
    )
    return result.model_copy(update=changed)
