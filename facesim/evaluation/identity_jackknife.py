"""The jackknife over identities: how far metrics would vary over other people."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.intervals import LEVEL, Interval, student_t_quantile, wilson_interval
from facesim.interfaces.scores import LabelledScores

INTERVAL_NAME = f"identity_jackknife_{LEVEL * 100:.0f}"
"""The name of these intervals in ``metrics.json``."""

FEWEST_EFFECTIVE_IDENTITIES = 3.0
MOST_UNDEFINED = 0.1
"""The largest share of deletions in which a metric need not exist."""

MOST_GROUPS = 200
"""More identities than these are deleted in as many random groups."""

PAIR_GROUPS = 60
"""Groups in which the pairs of a kind are deleted, to see their variance as independent pairs."""

INTRACLASS = 0.1
"""The correlation of two pairs' outcomes through a shared identity that is expected beforehand.

A standard deviation between people of half of that between one person's pairs gives as much at
error rates of some percent."""

PRIOR_DEGREES = 2.0
"""How many identities' worth of evidence the expectation counts as."""

Statistics = Callable[[Int64Array], Sequence[float] | FloatArray]
"""Weights int64 [P] of the pairs -> K numbers, ``nan`` where one does not exist."""


@dataclass(frozen=True)
class Composition:
    """How the pairs that a statistic is of spread over identities.

    Attributes:
        pairs: genuine and impostor pairs.
        effective: the number of equally frequent identities with as much information as those in
            the genuine and in the impostor pairs: Kish's ``(sum n)^2 / sum n^2`` over the pairs n
            of each identity; 0 of no pairs. Kish, "Survey sampling", 1965.
    """

    pairs: tuple[int, int]
    effective: tuple[float, float]

    @property
    def identities(self) -> float:
        """The effective identities of the kind that has fewer; a kind without pairs is left out."""
        return min((each for each in self.effective if each), default=0.0)

    @property
    def design_effects(self) -> tuple[float, float]:
        """By how much `INTRACLASS` widens the variance of the genuine and the impostor pairs."""
        genuine, impostor = self.pairs
        per_identity = (genuine, 2 * impostor)
        return tuple(  # type: ignore[return-value]
            1 + INTRACLASS * max(pairs / effective - 1, 0) if effective else 1.0
            for pairs, effective in zip(per_identity, self.effective, strict=True)
        )

    @property
    def trials(self) -> float:
        """As many independent trials as the pairs of the weaker kind amount to."""
        found = zip(self.pairs, self.design_effects, strict=True)
        return min((pairs / effect for pairs, effect in found if pairs), default=0.0)


@dataclass(frozen=True, eq=False)
class Deletions:
    """K statistics with a part of the pairs left out.

    Attributes:
        identities: float64 [G, K], without the pairs of each identity or group of identities.
        genuine: float64 [A, K], without each of A random groups of the genuine pairs.
        impostor: float64 [B, K], without each of B random groups of the impostor pairs.
    """

    identities: FloatArray
    genuine: FloatArray
    impostor: FloatArray

    def map(self, function: Callable[[FloatArray], FloatArray]) -> "Deletions":
        """Other statistics that follow from these, row by row."""
        return Deletions(function(self.identities), function(self.genuine), function(self.impostor))

    def uncertainty(self, index: int, composition: Composition) -> "Uncertainty":
        """How far statistic ``index`` varies."""
        deleted, *by_pair = (
            each[:, index] for each in (self.identities, self.genuine, self.impostor)
        )
        of_genuine, of_impostor = (_jackknife_variance(each) for each in by_pair)
        genuine_effect, impostor_effect = composition.design_effects
        # Each impostor pair is deleted twice, once with either identity: what is its own counts
        # twice in the sum over the identities, and is taken off once.
        variance = max(_jackknife_variance(deleted) - of_impostor, of_genuine + of_impostor)
        return Uncertainty(
            variance=variance,
            expected=of_genuine * genuine_effect + of_impostor * impostor_effect,
            mean=float(np.nanmean(deleted)) if np.isfinite(deleted).any() else math.nan,
            undefined=int(np.count_nonzero(~np.isfinite(deleted))),
            deletions=len(deleted),
            composition=composition,
        )


def _jackknife_variance(deleted: FloatArray) -> float:
    defined = deleted[np.isfinite(deleted)]
    if not len(defined):
        return 0.0
    return float(np.square(defined - defined.mean()).mean() * (len(defined) - 1))


def simultaneous_level(deletions: Deletions, seed: int, draws: int) -> float:
    """The level of single intervals at which all K together hold with `LEVEL`.

    Normal multipliers of the changes by each identity give K statistics that are correlated as the
    K estimates are; the largest of each draw says how far the most extreme of them strays.
    Chernozhukov, Chetverikov and Kato, "Gaussian approximations and multiplier bootstrap for maxima
    of sums of high-dimensional random vectors", 2013.

    Args:
        deletions: of the K statistics.
        seed: of the draws.
        draws: their number.
    """
    changes = np.nan_to_num(deletions.identities - np.nanmean(deletions.identities, axis=0))
    sizes = np.sqrt(np.square(changes).sum(axis=0))
    changes = changes[:, sizes > 0] / sizes[sizes > 0]
    if not changes.size:
        return LEVEL
    multipliers = np.random.default_rng(seed).normal(size=(draws, len(changes)))
    largest = np.abs(multipliers @ changes).max(axis=1)
    return math.erf(float(np.quantile(largest, LEVEL)) / math.sqrt(2))


@dataclass(frozen=True)
class OtherVariance:
    """A variance that comes to that over people, and its degrees of freedom."""

    variance: float
    degrees: float


@dataclass(frozen=True)
class Uncertainty:
    """How far a statistic would vary over other people.

    Attributes:
        variance: by the jackknife.
        expected: what it would be if the outcomes of pairs were correlated by `INTRACLASS`.
        mean: of the statistic over the deletions.
        undefined: deletions of identities in which it does not exist.
        deletions: their number.
        composition: of the pairs that it is of.
    """

    variance: float
    expected: float
    mean: float
    undefined: int
    deletions: int
    composition: Composition

    @property
    def reason(self) -> str | None:
        """Why there is no interval."""
        n = self.composition.identities
        if n < FEWEST_EFFECTIVE_IDENTITIES:
            return (
                f"the pairs have only {n:.1f} effective identities; "
                f"an interval needs {FEWEST_EFFECTIVE_IDENTITIES:g}"
            )
        if self.undefined > MOST_UNDEFINED * self.deletions:
            return (
                f"the metric does not exist without the pairs of {self.undefined} of "
                f"{self.deletions} identities"
            )
        return None

    @property
    def degrees(self) -> float:
        """Degrees of freedom of `variance`."""
        return self.composition.identities - 1

    @property
    def moderated(self) -> float:
        """The variance of a rate: at least what evidence and expectation together make it.

        Few people seldom show how different people are: where none of ten happens to be hard to
        recognise, the jackknife alone is sure of what is an accident.
        """
        both = self.degrees * self.variance + PRIOR_DEGREES * self.expected
        return max(self.variance, both / (self.degrees + PRIOR_DEGREES))

    def interval(
        self,
        value: float,
        *,
        is_rate: bool,
        level: float = LEVEL,
        more: OtherVariance | None = None,
    ) -> Interval:
        """The interval around a value.

        Student's t with the effective identities less one as degrees of freedom; a rate's variance
        is `moderated` and has `PRIOR_DEGREES` more, and its interval is Wilson's of as many
        independent trials as have that variance, which stays within 0 and 1.

        Args:
            value: the statistic on all pairs.
            is_rate: whether it lies in [0, 1].
            level: nominal coverage.
            more: variance from elsewhere, with the quantile of its own degrees of freedom: the
                squares of both reaches are added, as in `facesim.evaluation.seed_differences`.
        """
        if self.reason is not None:
            return Interval(None, None, self.reason)
        degrees = self.degrees + PRIOR_DEGREES * is_rate
        quantile = student_t_quantile(0.5 + level / 2, degrees)
        variance = self.moderated if is_rate else self.variance
        if more is not None:
            wider = student_t_quantile(0.5 + level / 2, more.degrees) / quantile
            variance += more.variance * wider**2
        if not is_rate:
            reach = quantile * math.sqrt(variance)
            return Interval(value - reach, value + reach)
        # Rounding leaves a variance of some 1e-34 where all deletions agree.
        of_one = self.mean * (1 - self.mean)
        trials = of_one / variance if min(variance, of_one) > 1e-24 else self.composition.trials
        return Interval(*wilson_interval(value, trials, quantile=quantile))


@dataclass(frozen=True, eq=False)
class IdentityJackknife:
    """The identities of P pairs, left out in turn.

    Pairs that share a person are not independent. How much a metric changes when all pairs of one
    identity are left out says how much it depends on who happened to be there; the squared changes
    add up to its variance over people. No assumption about the metric is needed but that it changes
    little with each identity, few identities are treated well where these are unequal, and nothing
    is drawn at random up to `MOST_GROUPS` identities. Resampling identities instead counts the
    chance of single impostor pairs three times (Owen, 2007); deleting them counts it twice, which
    is corrected.

    Efron and Stein, "The jackknife estimate of variance", 1981; Fafchamps and Gubert, "The
    formation of risk sharing networks", 2007, and Aronow, Samii and Assenova, "Cluster-robust
    variance estimation for dyadic data", 2015, for pairs; Shao and Wu, "A general theory for
    jackknife variance estimation", 1989, for deleting groups; MacKinnon, Nielsen and Webb, "Fast
    and reliable jackknife and bootstrap methods for cluster-robust inference", 2023, for few
    identities; Smyth, "Linear models and empirical Bayes methods", 2004, for the moderated
    variance; Franco et al., "Comparative study of confidence intervals for proportions in complex
    sample surveys", 2019, and Fogliato et al., "Confidence intervals for error rates in 1:1
    matching tasks", 2024, for Wilson's interval.

    Attributes:
        first: int64 [P], the identity of each pair's first image, counted from 0.
        second: int64 [P], that of its second image; ``identities`` for a genuine pair.
        identities: the number of distinct identities I in the pairs.
    """

    first: Int64Array
    second: Int64Array
    identities: int

    @classmethod
    def of(cls, scored: LabelledScores) -> "IdentityJackknife":
        """Number the identities of P pairs from 0; any integers may name them."""
        both = np.concatenate([scored.first, scored.second])
        distinct, codes = np.unique(both, return_inverse=True)
        first, second = codes.reshape(2, -1).astype(np.int64)
        return cls(first, np.where(scored.same, len(distinct), second), len(distinct))

    def composition(self, pairs: Int64Array | slice = slice(None)) -> Composition:
        """Of some of the pairs, by their positions; of all by default."""
        first, second = self.first[pairs], self.second[pairs]
        genuine = second == self.identities
        sides = (first[genuine], np.append(first[~genuine], second[~genuine]))
        counts = [np.bincount(each).astype(np.float64) for each in sides]
        effective = [
            float(np.square(each.sum()) / np.square(each).sum()) if each.size else 0.0
            for each in counts
        ]
        number = int(np.count_nonzero(genuine))
        return Composition((number, len(genuine) - number), (effective[0], effective[1]))

    def deletions(self, statistics: Statistics, seed: int) -> Deletions:
        """Statistics without each identity, and without each of some groups of pairs.

        Args:
            statistics: of weighted pairs.
            seed: of the groups.
        """
        generator = np.random.default_rng(seed)
        groups = np.arange(self.identities)
        if self.identities > MOST_GROUPS:
            groups = generator.permutation(self.identities) % MOST_GROUPS
        # The last entry stands for the missing second identity of genuine pairs.
        groups = np.append(groups, -1)
        first, second = groups[self.first], groups[self.second]
        genuine = self.second == self.identities
        deleted = [(first == each) | (second == each) for each in range(groups.max() + 1)]
        identities = np.array([statistics((~each).astype(np.int64)) for each in deleted])
        by_pair = (
            np.array([statistics(weights) for weights in _without_pairs(of_kind, generator)])
            for of_kind in (genuine, ~genuine)
        )
        # A kind without pairs has no rows, and columns nevertheless.
        return Deletions(identities, *(each.reshape(-1, identities.shape[1]) for each in by_pair))

    def uncertainties(self, statistics: Statistics, seed: int) -> list[Uncertainty]:
        """How far each of K statistics of all pairs varies."""
        deletions, composition = self.deletions(statistics, seed), self.composition()
        return [
            deletions.uncertainty(index, composition)
            for index in range(deletions.identities.shape[1])
        ]


def _without_pairs(of_kind: BoolArray, generator: np.random.Generator) -> Iterator[Int64Array]:
    """Weights int64 [P] that leave out a random group of the pairs of a kind, bool [P], in turn."""
    pairs = generator.permutation(np.flatnonzero(of_kind))
    for start in range(min(PAIR_GROUPS, len(pairs))):
        weights = np.ones(len(of_kind), np.int64)
        weights[pairs[start::PAIR_GROUPS]] = 0
        yield weights
