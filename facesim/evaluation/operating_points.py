"""Named thresholds: chosen on one set of pairs, to be applied to others."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from facesim.evaluation.equal_error_rate import equal_error_rate
from facesim.evaluation.metrics import far_name
from facesim.evaluation.roc import Roc
from facesim.evaluation.tar_at_far import FAR_TARGETS, tar_at_far, why_not_measurable

BEST_ACCURACY: Literal["best_accuracy"] = "best_accuracy"
"""The operating point of the headline accuracy."""


class OperatingPoint(BaseModel):
    """A threshold with the name of the rule that chose it, and what it does where it was chosen.

    Attributes:
        name: ``best_accuracy``, ``eer`` or ``far_1e-3`` and the like.
        threshold: accept a pair iff its score is at least this; None if no threshold follows the
            rule on these pairs.
        far: false accept rate on the pairs of the choice.
        tar: true accept rate there.
        accuracy: accuracy there.
        reason: why there is no threshold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    threshold: FiniteFloat | None
    far: FiniteFloat | None = None
    tar: FiniteFloat | None = None
    accuracy: FiniteFloat | None = None
    reason: str | None = None


def choose_operating_points(roc: Roc) -> tuple[OperatingPoint, ...]:
    """One operating point per rule: best accuracy, EER, and each of `FAR_TARGETS`.

    A rule that these pairs cannot support (no pairs, one kind of pair only, too few impostors)
    yields a point without threshold that says why.
    """
    return (
        _best_accuracy(roc),
        _equal_error_rate(roc),
        *(_at_far(roc, far) for far in FAR_TARGETS),
    )


def _best_accuracy(roc: Roc) -> OperatingPoint:
    reason = None if roc.genuine + roc.impostor else roc.missing
    return _point(roc, BEST_ACCURACY, roc.threshold_at(roc.best_accuracy_point()), reason)


def _equal_error_rate(roc: Roc) -> OperatingPoint:
    return _point(roc, "eer", equal_error_rate(roc).threshold, roc.missing)


def _at_far(roc: Roc, far: float) -> OperatingPoint:
    reason = roc.missing or why_not_measurable(far, roc.impostor)
    return _point(roc, f"far_{far_name(far)}", tar_at_far(roc, far).threshold, reason)


def _point(roc: Roc, name: str, threshold: float, reason: str | None) -> OperatingPoint:
    if reason is not None:
        return OperatingPoint(name=name, threshold=None, reason=reason)
    at = roc.at(threshold)
    far, tar = (None if math.isnan(rate) else rate for rate in (at.far, at.tar))
    return OperatingPoint(name=name, threshold=threshold, far=far, tar=tar, accuracy=at.accuracy)
