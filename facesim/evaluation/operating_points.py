"""Operating points: thresholds chosen on one set of pairs and applied to others."""

import math
from typing import Literal

from pydantic import AliasChoices, Field, FiniteFloat

from facesim.interfaces.result import rate_name
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_points import (
    FMR_TARGETS,
    equal_error_rate,
    not_measurable_reason,
    tar_at_fmr,
)
from facesim.json_files import JsonModel

BEST_ACCURACY: Literal["best_accuracy"] = "best_accuracy"
"""The operating point of the headline accuracy."""


class OperatingPoint(JsonModel):
    """A threshold with the rule that chose it and its error rates where it was chosen.

    Attributes:
        name: ``best_accuracy``, ``eer`` or ``far_1e-3`` and the like.
        threshold: accept a pair iff its score is at least this; None if no threshold follows the
            rule on these pairs.
        fmr: false match rate on the pairs of the choice.
        tar: true accept rate there.
        accuracy: accuracy there.
        reason: why there is no threshold.
    """

    name: str
    threshold: FiniteFloat | None
    fmr: FiniteFloat | None = Field(default=None, validation_alias=AliasChoices("fmr", "far"))
    tar: FiniteFloat | None = None
    accuracy: FiniteFloat | None = None
    reason: str | None = None


def choose_operating_points(roc: Roc) -> tuple[OperatingPoint, ...]:
    """One operating point per rule: best accuracy, EER, and each of `FMR_TARGETS`.

    A rule that these pairs cannot support (no pairs, one kind of pair only, too few impostors)
    yields a point without threshold that says why.
    """
    no_pairs = None if roc.genuine + roc.impostor else roc.missing
    best = roc.threshold_at(roc.best_accuracy_point())
    return (
        _point(roc, BEST_ACCURACY, best, no_pairs),
        _point(roc, "eer", equal_error_rate(roc).threshold, roc.missing),
        *(
            _point(
                roc,
                f"far_{rate_name(target)}",
                tar_at_fmr(roc, target).threshold,
                roc.missing or not_measurable_reason(target, roc.impostor),
            )
            for target in FMR_TARGETS
        ),
    )


def _point(roc: Roc, name: str, threshold: float, reason: str | None) -> OperatingPoint:
    if reason is not None:
        return OperatingPoint(name=name, threshold=None, reason=reason)
    at = roc.at(threshold)
    fmr, tar = (None if math.isnan(rate) else rate for rate in (at.fmr, at.tar))
    return OperatingPoint(name=name, threshold=threshold, fmr=fmr, tar=tar, accuracy=at.accuracy)
