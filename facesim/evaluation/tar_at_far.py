"""The true accept rate at a false accept rate, and how far the pairs can support the claim."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from facesim.evaluation.confusion import proportion
from facesim.evaluation.roc import Roc

FAR_TARGETS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""The false accept rates that every evaluation reports."""


@dataclass(frozen=True)
class TarAtFar:
    """The largest TAR whose FAR is at or below a target.

    FNMR at FMR is the same point of the curve: ``fnmr = 1 - tar`` at ``fmr = far``.

    Attributes:
        far: the target.
        tar: ``nan`` without genuine or without impostor pairs.
        achieved_far: the FAR at that point, at most ``far``.
        false_accepts_allowed: how many of the impostor pairs the target lets pass; where it is 0,
            ``tar`` says nothing about the target (see `why_not_measurable`).
        impostor: the number of impostor pairs.
        threshold: accepts exactly the pairs of that point.
    """

    far: float
    tar: float
    achieved_far: float
    false_accepts_allowed: int
    impostor: int
    threshold: float

    @property
    def fnmr(self) -> float:
        """The smallest FNMR whose FMR is at or below the target."""
        return 1.0 - self.tar


def tar_at_far(roc: Roc, far: float) -> TarAtFar:
    """The largest TAR whose FAR is at or below ``far``."""
    allowed = false_accepts_allowed(far, roc.impostor)
    index = int(np.searchsorted(roc.false_accepts, allowed, side="right")) - 1
    if not (roc.genuine and roc.impostor):
        return TarAtFar(far, math.nan, math.nan, allowed, roc.impostor, math.nan)
    return TarAtFar(
        far,
        proportion(int(roc.true_accepts[index]), roc.genuine),
        proportion(int(roc.false_accepts[index]), roc.impostor),
        allowed,
        roc.impostor,
        roc.threshold_at(index),
    )


def false_accepts_allowed(far: float, impostor: int) -> int:
    """The most false accepts among ``impostor`` pairs with a rate at or below ``far``.

    Exact for the decimal number that ``far`` is written as: ``floor(0.29 * 100)`` is 28 in
    floating point, and 29 here.
    """
    return math.floor(_as_written(far) * impostor)


def why_not_measurable(far: float, impostor: int) -> str | None:
    """Why so few impostors say nothing about ``far``, or None where they do."""
    if false_accepts_allowed(far, impostor):
        return None
    needed = math.ceil(1 / _as_written(far))
    return f"not measurable with {impostor} impostors; FAR {far:g} needs {needed} or more"


@cache
def _as_written(rate: float) -> Fraction:
    return Fraction(repr(float(rate)))
