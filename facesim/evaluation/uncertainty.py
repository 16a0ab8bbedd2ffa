"""How far statistics vary over people, from what they are without some of them.

Fafchamps and Gubert, "The formation of risk sharing networks", 2007, and Aronow, Samii and
Assenova, "Cluster-robust variance estimation for dyadic data", 2015, for pairs of identities;
Smyth, "Linear models and empirical Bayes methods", 2004, for the moderated variance; Franco et al.,
"Comparative study of confidence intervals for proportions in complex sample surveys", 2019, and
Fogliato et al., "Confidence intervals for error rates in 1:1 matching tasks", 2024, for Wilson's
interval of effective trials. What comes of it: ``tests/benchmarks/bootstrap_coverage.py``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.evaluation.intervals import LEVEL, Interval, student_t_quantile, wilson_interval

FEWEST_EFFECTIVE_IDENTITIES = 3.0
MOST_UNDEFINED = 0.1
"""The largest share of deletions in which a metric need not exist."""

INTRACLASS = 0.1
"""The correlation of two pairs' outcomes through a shared identity that is expected beforehand.

A standard deviation between people of half of that between one person's pairs gives as much at
error rates of some percent."""

PRIOR_DEGREES = 2.0
"""How many identities' worth of evidence the expectation counts as."""


@dataclass(frozen=True)
class Composition:
    """How the pairs that a statistic is of spread over identities.

    Attributes:
        pairs: genuine and impostor pairs.
        effective: the number of equally frequent identities with as much information as those in
            the genuine and in the impostor pairs: Kish's ``(sum n)^2 / sum n^2`` over the pairs n
            of each identity; 0 of no pairs. Kish, "Survey sampling", 1965.
        counts: int64 [G] twice, the genuine and the impostor pairs of each identity or group of
            identities that is deleted; None for a statistic that is not of these pairs alone, such
            as a difference of two rates.
    """

    pairs: tuple[int, int]
    effective: tuple[float, float]
    counts: tuple[Int64Array, Int64Array] | None = None

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
        by_kind: float64 [G, K] twice, without their genuine or their impostor pairs alone.
        pairs: float64 [A, K] and [B, K], without each of some random groups of the genuine and of
            the impostor pairs.
        whole: float64 [1, K], with all pairs.
    """

    identities: FloatArray
    by_kind: tuple[FloatArray, FloatArray]
    pairs: tuple[FloatArray, FloatArray]
    whole: FloatArray

    def map(self, function: Callable[[FloatArray], FloatArray]) -> "Deletions":
        """Other statistics that follow from these, row by row."""
        genuine, impostor = map(function, self.by_kind)
        of_genuine, of_impostor = map(function, self.pairs)
        return Deletions(
            function(self.identities),
            (genuine, impostor),
            (of_genuine, of_impostor),
            function(self.whole),
        )

    def column(self, index: int) -> "Deletions":
        """Of one of the statistics."""
        return self.map(lambda found: found[:, index : index + 1])

    @classmethod
    def together(cls, parts: "Sequence[Deletions]") -> "Deletions":
        """Of one or more lists of statistics, one after the other, of the same parts of pairs."""

        def stacked(part: Callable[[Deletions], FloatArray]) -> FloatArray:
            return np.concatenate([part(each) for each in parts], axis=1)

        return cls(
            stacked(lambda each: each.identities),
            (stacked(lambda each: each.by_kind[0]), stacked(lambda each: each.by_kind[1])),
            (stacked(lambda each: each.pairs[0]), stacked(lambda each: each.pairs[1])),
            stacked(lambda each: each.whole),
        )

    def __sub__(self, other: "Deletions") -> "Deletions":
        """The differences of these and as many others, of the same parts of the same pairs."""
        return Deletions(
            self.identities - other.identities,
            (self.by_kind[0] - other.by_kind[0], self.by_kind[1] - other.by_kind[1]),
            (self.pairs[0] - other.pairs[0], self.pairs[1] - other.pairs[1]),
            self.whole - other.whole,
        )

    @cached_property
    def _jackknife(self) -> FloatArray:
        return _jackknife_variances(self.identities)

    @cached_property
    def _of_kinds(self) -> list[FloatArray]:
        return [_jackknife_variances(each) for each in self.by_kind]

    @cached_property
    def _of_pairs(self) -> list[FloatArray]:
        return [_jackknife_variances(each) for each in self.pairs]

    @cached_property
    def _undefined(self) -> Int64Array:
        return np.asarray(np.count_nonzero(~np.isfinite(self.identities), axis=0), np.int64)

    @cached_property
    def _means(self) -> FloatArray:
        columns = np.ascontiguousarray(self.identities.T)
        defined = self._undefined < len(self.identities)
        means = np.full(len(columns), np.nan)
        means[defined] = np.nanmean(columns[defined], axis=1)
        return means

    def uncertainty(self, index: int, composition: Composition) -> "Uncertainty":
        """How far statistic ``index`` varies; see :meth:`uncertainties`."""
        (found,) = self._uncertainties([index], composition)
        return found

    def uncertainties(self, composition: Composition) -> "list[Uncertainty]":
        """How far each of the K statistics varies.

        Its variance is the mean of two estimates: the jackknife's, which errs upwards, since what
        is an impostor pair's own counts twice, once with either identity; and as if identities were
        random effects, which does not hang on who happens to have most pairs. Without the counts of
        pairs it is the jackknife's less what counts twice.
        """
        return self._uncertainties(range(self.whole.shape[1]), composition)

    def _uncertainties(
        self, indices: Sequence[int], composition: Composition
    ) -> "list[Uncertainty]":
        some = list(indices)
        identities, (genuine_effect, impostor_effect) = (
            composition.identities,
            composition.design_effects,
        )
        kinds = []
        if composition.counts is not None:
            columns = zip(
                self.by_kind, composition.counts, composition.pairs, self._of_pairs, strict=True
            )
            kinds = [
                _random_effects(each[:, some] - self.whole[0, some], counts, pairs, own[some])
                for each, counts, pairs, own in columns
            ]
        found = []
        for at, index in enumerate(some):
            of_pairs = [float(each[index]) for each in self._of_pairs]
            jackknife = float(self._jackknife[index])
            if not kinds:
                variance = max(jackknife - of_pairs[1], sum(of_pairs))
                degrees = identities - 1
            else:
                # By the ratio of both over the kinds, since what the kinds do may cancel: each
                # shifts the accuracy by the share of its pairs alone.
                by_kind = sum(float(each[index]) for each in self._of_kinds)
                of_effects = sum(float(effects[at]) for effects, _ in kinds)
                effects = jackknife * (of_effects / by_kind if by_kind > 0 else 0.0)
                variance = (max(jackknife, sum(of_pairs)) + max(effects, sum(of_pairs))) / 2
                degrees = (identities - 1 + min(float(more[at]) for _, more in kinds)) / 2
            found.append(
                Uncertainty(
                    variance=variance,
                    expected=of_pairs[0] * genuine_effect + of_pairs[1] * impostor_effect,
                    mean=float(self._means[index]),
                    undefined=int(self._undefined[index]),
                    deletions=len(self.identities),
                    composition=composition,
                    degrees=degrees,
                )
            )
        return found


def _random_effects(
    changes: FloatArray, counts: Int64Array, pairs: int, of_pairs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Variances of K statistics through one kind of pairs, and their degrees of freedom.

    Identities and pairs are taken for random effects. That of an identity with n pairs is known
    with the variance of the effects and one nth of that of pairs, and is weighted accordingly; the
    variance of the effects then counts as the identities share the pairs.
    Searle, Casella and McCulloch, "Variance components", 1992.

    Args:
        changes: float64 [G, K], of the statistics without the pairs of each identity.
        counts: int64 [G], those pairs.
        pairs: of the kind.
        of_pairs: the variances float64 [K] that independent pairs would have.
    """
    there = (counts > 0)[:, None] & np.isfinite(changes)
    variances, degrees = np.zeros(len(of_pairs)), np.full(len(of_pairs), np.inf)
    remaining = np.flatnonzero(there.any(axis=0))
    while remaining.size:
        # Those that exist without the same identities, most often all of them.
        deletions = there[:, remaining[0]]
        same = (there[:, remaining] == deletions[:, None]).all(axis=0)
        alike, remaining = remaining[same], remaining[~same]
        share = counts[deletions] / pairs
        trust = counts[deletions] / (counts[deletions] + 1 / INTRACLASS - 1)
        columns = np.ascontiguousarray(changes[np.ix_(deletions, alike)].T)
        effects = columns / share * np.clip(1 - share, 0.1, None)
        # What leaving out any pair of the kind does, as to an accuracy, is nobody's effect.
        effects -= _dots(effects, trust)[:, None] / trust.sum()
        squares = np.square(effects) - of_pairs[alike, None] / share
        # The statistic that the changes are from holds a share of each identity itself.
        of_all = share / share.sum()
        own = 1 - 2 * of_all + np.square(of_all).sum()
        between = np.maximum(_dots(squares, trust) / max(float(trust @ own), 1e-12), 0.0)
        variances[alike] = between * float(np.square(share).sum()) + of_pairs[alike]
        degrees[alike] = float(np.square(trust.sum()) / np.square(trust).sum()) - 1
    return variances, degrees


def _dots(rows: FloatArray, vector: FloatArray) -> FloatArray:
    """The product of each row and a vector, rounded as that of a single row is."""
    found: FloatArray = (rows[:, None, :] @ vector[:, None])[:, 0, 0]
    return found


def _jackknife_variances(deleted: FloatArray) -> FloatArray:
    """Of each of K statistics float64 [G, K], from the deletions in which it exists."""
    found = np.zeros(deleted.shape[1])
    if not len(deleted):
        return found
    # Contiguous, so that sums round as those of a single statistic do.
    columns = np.ascontiguousarray(deleted.T)
    finite = np.isfinite(columns)
    whole = finite.all(axis=1)
    defined = columns[whole]
    squares = np.square(defined - defined.mean(axis=1, keepdims=True))
    found[whole] = squares.mean(axis=1) * (len(deleted) - 1)
    for index in np.flatnonzero(~whole & finite.any(axis=1)):
        some = columns[index, finite[index]]
        found[index] = np.square(some - some.mean()).mean() * (len(some) - 1)
    return found


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
        variance: of the statistic.
        expected: what it would be if the outcomes of pairs were correlated by `INTRACLASS`.
        mean: of the statistic over the deletions.
        undefined: deletions of identities in which it does not exist.
        deletions: their number.
        composition: of the pairs that it is of.
        degrees: of freedom of the variance.
    """

    variance: float
    expected: float
    mean: float
    undefined: int
    deletions: int
    composition: Composition
    degrees: float

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

        Student's t with `degrees` of freedom, about the effective identities less one; a rate's
        variance is `moderated` and has `PRIOR_DEGREES` more, and its interval is Wilson's of as
        many independent trials as have that variance, which stays within 0 and 1.

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
        of_one = self.mean * (1 - self.mean)
        # Rounding leaves a variance of some 1e-34 where all deletions agree.
        agrees = is_rate and min(variance, of_one) <= 1e-24
        if more is not None:
            if agrees:
                variance = of_one / self.composition.trials
            wider = student_t_quantile(0.5 + level / 2, more.degrees) / quantile
            variance += more.variance * wider**2
            agrees = agrees and min(variance, of_one) <= 1e-24
        if not is_rate:
            reach = quantile * math.sqrt(variance)
            return Interval(value - reach, value + reach)
        trials = self.composition.trials if agrees else of_one / variance
        return Interval(*wilson_interval(value, trials, quantile=quantile))
