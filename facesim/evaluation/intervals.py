"""Confidence intervals by the bootstrap over identities, and of proportions."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.interfaces.scores import LabelledScores

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
    too narrow, and `facesim.evaluation.intervals` applies.
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


@dataclass(frozen=True, eq=False)
class IdentityBootstrap:
    """The identities of P pairs, and resamples of these identities.

    A resample draws as many identities as there are, with replacement. A genuine pair then counts
    as often as its identity was drawn, an impostor pair the product of how often its two were, as
    if the pairs of the drawn people had been compared. Resamples are drawn one at a time, so
    memory stays O(P) however many there are.
    Owen, "The pigeonhole bootstrap", 2007; Bolle et al., "Error analysis of pattern recognition
    systems: the subsets bootstrap", 2004.

    Attributes:
        first: int64 [P], the identity of each pair's first image, counted from 0.
        second: int64 [P], that of its second image; ``identities`` for a genuine pair.
        identities: the number of distinct identities I in the pairs.
    """

    first: Int64Array
    second: Int64Array
    identities: int

    @classmethod
    def of(cls, scored: LabelledScores) -> "IdentityBootstrap":
        """Number the identities of P pairs from 0; any integers may name them."""
        both = np.concatenate([scored.first, scored.second])
        distinct, codes = np.unique(both, return_inverse=True)
        first, second = codes.reshape(2, -1).astype(np.int64)
        return cls(first, np.where(scored.same, len(distinct), second), len(distinct))

    def weights(self, seed: int, resamples: int) -> Iterator[Int64Array]:
        """The weight of each pair, int64 [P], per resample; a function of the seed."""
        generator = np.random.default_rng(seed)
        for _ in range(resamples):
            drawn = generator.integers(self.identities, size=self.identities)
            # The last entry stands for the missing second identity of genuine pairs.
            times = np.append(np.bincount(drawn, minlength=self.identities), 1)
            yield times[self.first] * times[self.second]

    def values(
        self,
        statistics: Callable[[Int64Array], Sequence[float] | FloatArray],
        *,
        seed: int,
        resamples: int,
    ) -> FloatArray:
        """Statistics of each resample, float64 [resamples, K].

        Args:
            statistics: weights int64 [P] -> K numbers, ``nan`` where one does not exist.
            seed: of the resamples; two runs on the same pairs get the same ones.
            resamples: how many.
        """
        return np.array([statistics(weights) for weights in self.weights(seed, resamples)])

    @property
    def effective_identities(self) -> float:
        """The number of equally frequent identities with as much information as these.

        Kish's ``(sum n)^2 / sum n^2`` over the pairs n of each identity: of the genuine pairs, or
        half of that of the impostor pairs, whichever is less. Half, since an identity moves the
        rate of impostor pairs from both sides of a pair; without it the intervals of ten to twenty
        unequal identities are too narrow. A kind without pairs does not
        count. Kish, "Survey sampling", 1965.
        """
        genuine = self.second == self.identities
        sides = (self.first[genuine], np.append(self.first[~genuine], self.second[~genuine]))
        numbers = [
            np.square(counts.sum()) / np.square(counts).sum() / divisor
            for counts, divisor in zip(map(np.bincount, sides), (1.0, 2.0), strict=True)
            if counts.size
        ]
        return float(min(numbers, default=0.0))
