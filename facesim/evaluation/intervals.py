"""Confidence intervals: of bootstrapped metrics, of proportions, and quantiles of Student's t."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facesim.arrays import FloatArray

LEVEL = 0.95
"""Nominal coverage of the intervals."""

INTERVAL_NAME = f"identity_bootstrap_{LEVEL * 100:.0f}"
"""The name of these intervals in ``metrics.json``."""

FEWEST_EFFECTIVE_IDENTITIES = 3.0
MOST_UNDEFINED_RESAMPLES = 0.1


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


def bootstrap_interval(
    value: float, resampled: FloatArray, effective_identities: float, *, is_rate: bool
) -> Interval:
    """The interval of a metric, from its values in the resamples of `IdentityBootstrap`.

    The percentiles of the resamples are too narrow for few identities, most of all near 0 and 1
    (see ``tests/benchmarks/bootstrap_coverage.py``). So only their standard error is used, widened
    by ``sqrt(n / (n - 1))`` for n effective identities, with the
    quantile of a t distribution with ``n - 1`` degrees of freedom (Hesterberg, "What teachers
    should know about the bootstrap", 2015). Around a rate it becomes a Wilson interval of as many
    independent trials as would have that standard error, which stays within 0 and 1 (Fogliato et
    al., "Confidence intervals for error rates in 1:1 matching tasks", 2024). Where no resample
    differs, as with no error at all, each effective identity counts as one trial.

    Args:
        value: the metric on the pairs as they are.
        resampled: float64 [R], the metric in each resample; ``nan`` where it does not exist.
        effective_identities: of the pairs.
        is_rate: whether the metric lies in [0, 1].
    """
    n = effective_identities
    if n < FEWEST_EFFECTIVE_IDENTITIES:
        return Interval(
            None,
            None,
            f"the pairs have only {n:.1f} effective identities; "
            f"an interval needs {FEWEST_EFFECTIVE_IDENTITIES:g}",
        )
    defined = resampled[np.isfinite(resampled)]
    undefined = len(resampled) - len(defined)
    if undefined > MOST_UNDEFINED_RESAMPLES * len(resampled):
        return Interval(
            None, None, f"the metric does not exist in {undefined} of {len(resampled)} resamples"
        )
    quantile = student_t_quantile(0.5 + LEVEL / 2, n - 1) * math.sqrt(n / (n - 1))
    error = float(defined.std(ddof=1))
    if not is_rate:
        return Interval(value - quantile * error, value + quantile * error)
    # As many independent trials as have this standard error. Rounding leaves an error of some
    # 1e-17 where all resamples agree.
    mean = float(defined.mean())
    trials = mean * (1 - mean) / error**2 if error > 1e-12 else n
    return Interval(*wilson_interval(value, trials, quantile=quantile))


def wilson_interval(
    share: float, trials: float, level: float = 0.95, quantile: float | None = None
) -> tuple[float, float]:
    """Wilson's interval of a proportion: ``share`` of independent ``trials``.

    Unlike ``share +- 1.96 standard errors`` it stays within 0 and 1 and has a width where no
    trial or every trial succeeded. Pairs that share a person are not independent: for them it is
    too narrow, and `facesim.evaluation.identity_bootstrap` applies.
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


def student_t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t with ``degrees`` of freedom at ``probability``.

    The Cornish-Fisher expansion around the normal quantile (Abramowitz and Stegun, 26.7.5): for
    95% and 99% intervals within 1% from two degrees of freedom on, within 0.1% from four.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))
