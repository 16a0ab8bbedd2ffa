"""Confidence intervals: of proportions, from standard errors, and quantiles of Student's t."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from facesim.arrays import FloatArray

LEVEL = 0.95
"""Nominal coverage of the intervals."""


def level_of_each(comparisons: int) -> float:
    """The level of single intervals at which so many hold together with `LEVEL` (Bonferroni)."""
    return 1 - (1 - LEVEL) / comparisons


def name_together(interval: str, comparisons: int) -> str:
    """The name of an interval that holds together with those of the other comparisons."""
    return interval if comparisons == 1 else f"{interval}_simultaneous"


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or the reason why there is none.

    Attributes:
        low: None if there is no interval.
        high: None if there is no interval.
        reason: why there is none.
    """

    low: float | None
    high: float | None
    reason: str | None = None

    def excludes(self, value: float) -> bool:
        """Whether there is an interval that excludes ``value``."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


def wilson_interval(
    share: float, trials: float, level: float = 0.95, quantile: float | None = None
) -> tuple[float, float]:
    """Wilson's interval of a proportion: ``share`` of independent ``trials``.

    Unlike ``share +- 1.96 standard errors`` it stays within 0 and 1 and has a width where no
    trial or every trial succeeded. Pairs that share a person are not independent: for them it is
    too narrow, and `facesim.evaluation.identity_jackknife` applies.
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        share: the observed proportion.
        trials: how many independent trials it is a proportion of; need not be whole.
        level: nominal coverage.
        quantile: of the standardised error, in place of the normal one at ``level``.

    Returns:
        The lower and the upper end; ``nan`` of no trials.
    """
    if not trials > 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf(0.5 + level / 2) if quantile is None else quantile
    shrink = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    # At shares of 0 and 1 rounding would leave an end just inside or outside of them.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


@lru_cache(maxsize=4096)
def student_t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t with ``degrees`` of freedom at ``probability``, to five digits.

    With ``t = sqrt(degrees) tan(a)`` the density is proportional to ``cos(a)^(degrees - 1)``,
    which Gauss-Legendre quadrature integrates; Newton's method then finds the angle, without
    bracketing, since the integral is concave. SciPy has the quantile as well, and
    would be a dependency for this one function.

    Args:
        probability: in (0, 1).
        degrees: one or more, need not be whole.
    """
    if probability < 0.5:
        return -student_t_quantile(1 - probability, degrees)

    def density(angle: FloatArray) -> FloatArray:
        # The logarithm of the cosine, which itself would round to 1 at small angles.
        return np.exp((degrees - 1) / 2 * np.log1p(-np.square(np.sin(angle))))

    def integral(angle: float) -> float:
        return angle / 2 * float(_WEIGHTS @ density(angle / 2 * (_NODES + 1)))

    # Beyond 12 standard deviations there is nothing left to integrate.
    wanted = (2 * probability - 1) * integral(min(math.pi / 2, 12 / math.sqrt(degrees)))
    angle, step = 0.0, math.inf
    while step > 1e-12 * angle:
        step = (wanted - integral(angle)) / float(density(np.array(angle)))
        angle += step
    return math.sqrt(degrees) * math.tan(angle)
