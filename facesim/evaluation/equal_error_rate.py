"""The equal error rate."""

import math
from dataclasses import dataclass

import numpy as np

from facesim.evaluation.roc import Roc


@dataclass(frozen=True)
class EqualErrorRate:
    """Where false accepts and false rejects are equally frequent.

    Attributes:
        rate: FAR = FRR there, on the line between the two points of the curve that enclose it.
        threshold: of whichever of the two points has the nearer rates (of equals, the one that
            accepts fewer); no threshold need attain ``rate`` itself.
    """

    rate: float
    threshold: float


def equal_error_rate(roc: Roc) -> EqualErrorRate:
    """The EER of a curve, interpolated; both fields ``nan`` unless both kinds of pairs exist."""
    if not (roc.genuine and roc.impostor):
        return EqualErrorRate(math.nan, math.nan)
    excess = roc.far - roc.fnmr
    after = int(np.searchsorted(excess, 0.0))
    before = after - 1
    share = excess[before] / (excess[before] - excess[after])
    rate = float(roc.far[before] + share * (roc.far[after] - roc.far[before]))
    nearer = before if -excess[before] <= excess[after] else after
    return EqualErrorRate(rate, roc.threshold_at(nearer))
