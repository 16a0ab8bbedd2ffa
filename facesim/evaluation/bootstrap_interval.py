"""From the spread of resampled values to an interval that holds for few identities, too."""

import math
from dataclasses import dataclass

import numpy as np

from facesim.arrays import FloatArray
from facesim.evaluation.student_t import student_t_quantile
from facesim.evaluation.wilson import wilson_interval

LEVEL = 0.95
"""How often an interval should hold the truth."""

INTERVAL_NAME = f"identity_bootstrap_{LEVEL * 100:.0f}"
"""What ``metrics.json`` calls these intervals."""

FEWEST_EFFECTIVE_IDENTITIES = 3.0
MOST_UNDEFINED_RESAMPLES = 0.1


@dataclass(frozen=True)
class Interval:
    """Two ends, or the reason why there are none.

    Attributes:
        low: None if there is no interval.
        high: None if there is no interval.
        reason: why there is none.
    """

    low: float | None
    high: float | None
    reason: str | None = None

    def excludes(self, value: float) -> bool:
        """Whether there is an interval and ``value`` lies outside of it."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


def bootstrap_interval(
    value: float, resampled: FloatArray, effective_identities: float, *, is_rate: bool
) -> Interval:
    """The interval of a metric, from its values in the resamples of `IdentityBootstrap`.

    The percentiles of the resamples are too narrow for few identities, most of all near 0 and 1
    (see ``tests/benchmarks/bootstrap_coverage.py``). So only their standard error is used, widened
    for the spread that n effective identities cannot show, ``sqrt(n / (n - 1))``, and with the
    quantile of a t distribution with ``n - 1`` degrees of freedom (Hesterberg, "What teachers
    should know about the bootstrap", 2015). Around a rate it becomes a Wilson interval of as many
    independent trials as would have that standard error, which stays within 0 and 1 (Fogliato et
    al., "Confidence intervals for error rates in 1:1 matching tasks", 2024). Where no resample
    differs, as with no error at all, each effective identity counts as one trial.

    Args:
        value: the metric on the pairs as they are.
        resampled: float64 [R], the metric in each resample; ``nan`` where it does not exist.
        effective_identities: of the pairs.
        is_rate: whether the metric lies within 0 and 1.
    """
    n = effective_identities
    if n < FEWEST_EFFECTIVE_IDENTITIES:
        return Interval(
            None,
            None,
            f"the pairs stand on as few as {n:.1f} effective identities; "
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
    return Interval(*wilson_interval(value, _trials(defined, error, n), quantile=quantile))


def _trials(rates: FloatArray, error: float, effective_identities: float) -> float:
    """How many independent trials have the standard error of these resampled rates."""
    mean = float(rates.mean())
    # Rounding leaves an error of some 1e-17 where all resamples agree.
    return mean * (1 - mean) / error**2 if error > 1e-12 else effective_identities
