"""Wilson's score interval of a proportion."""

import math
from statistics import NormalDist


def wilson_interval(
    share: float, trials: float, level: float = 0.95, quantile: float | None = None
) -> tuple[float, float]:
    """The interval of a proportion that was seen as ``share`` of independent ``trials``.

    Unlike ``share +- 1.96 standard errors`` it stays within 0 and 1 and has a width where no
    trial or every trial succeeded. Pairs that share a person are not independent: on them it is
    too narrow, and `facesim.evaluation.identity_bootstrap` is the one to believe.
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        share: the observed proportion.
        trials: how many independent trials it is a proportion of; need not be whole.
        level: how often the interval should hold the truth.
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
