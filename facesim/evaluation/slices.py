"""Error rates by attribute at the global threshold (demographic differentials)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from pydantic import FiniteFloat, NonNegativeInt, PositiveInt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.attribute_values import UNKNOWN, AttributeValues
from facesim.evaluation.identity_jackknife import INTERVAL_NAME, IdentityJackknife
from facesim.evaluation.intervals import Interval
from facesim.evaluation.uncertainty import Composition, Deletions, Uncertainty, simultaneous_level
from facesim.interfaces.result import Estimate
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel

FEWEST_PAIRS = 30
"""A rate of fewer pairs is flagged and not compared: one error would decide the gap."""

Rate = Literal["accuracy", "fmr", "fnmr"]

# A decided pair is of one of four kinds, numbered 2 * genuine + accepted.
_KINDS = 4
_TOTAL: dict[Rate, list[int]] = {"accuracy": [0, 1, 2, 3], "fmr": [0, 1], "fnmr": [2, 3]}
_COUNTED: dict[Rate, list[int]] = {"accuracy": [0, 3], "fmr": [1], "fnmr": [2]}
SIMULTANEOUS = f"{INTERVAL_NAME}_simultaneous"
"""The name of the interval of the widest gap: it holds for all gaps at once."""

_RATES: tuple[Rate, ...] = ("accuracy", "fmr", "fnmr")
_ERROR_RATES: tuple[Literal["fmr", "fnmr"], ...] = ("fmr", "fnmr")


class Slice(JsonModel):
    """The pairs whose two images have the same value of an attribute.

    Attributes:
        attribute: a column of the table.
        value: as `facesim.evaluation.attribute_values.AttributeValues` calls it.
        pairs: ``genuine + impostor``.
        genuine: pairs of one identity.
        impostor: pairs of two identities.
        few_pairs: whether either kind has so few that its rate says little.
        accuracy: share of the pairs decided correctly. It differs between slices also because
            their shares of genuine pairs do; the other two do not depend on that.
        fmr: share of the impostor pairs accepted.
        fnmr: share of the genuine pairs rejected.
    """

    attribute: str
    value: str
    pairs: NonNegativeInt
    genuine: NonNegativeInt
    impostor: NonNegativeInt
    few_pairs: bool
    accuracy: Estimate
    fmr: Estimate
    fnmr: Estimate


class Gap(JsonModel):
    """The difference of an error rate between two values of an attribute.

    Attributes:
        attribute: a column of the table.
        rate: which errors.
        worst: the value with the higher rate.
        best: the value with the lower rate.
        difference: the higher rate less the lower. It was chosen for its width and so is wider
            than on other people, on average; its interval is one of `compared` that hold all
            together, whichever gap is looked at.
        compared: number of gaps, one per two values of an attribute and rate, that it was chosen
            from.
    """

    attribute: str
    rate: Literal["fmr", "fnmr"]
    worst: str
    best: str
    difference: Estimate
    compared: PositiveInt


class Slices(JsonModel):
    """The model of ``slices.json``.

    Attributes:
        threshold: the same for all slices.
        pairs: of the evaluation; those whose images differ in an attribute, or lack it, are in no
            slice of it.
        slices: by attribute, then by value.
        worst_gap: the widest gap whose simultaneous interval excludes 0; if there is none, the
            widest. None if no attribute has two values with enough pairs.
        notes: which attributes have no slices, and why.
    """

    threshold: FiniteFloat
    pairs: NonNegativeInt
    slices: tuple[Slice, ...]
    worst_gap: Gap | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SliceCounts:
    """The decided pairs whose two images have the same value of an attribute of V values.

    Attributes:
        attribute: of the images.
        pairs: int64 [Q], which of all pairs these are.
        cells: int64 [Q], ``value * 4 + kind`` of each.
    """

    attribute: AttributeValues
    pairs: Int64Array
    cells: Int64Array

    @classmethod
    def of(
        cls, attribute: AttributeValues, rows: Int64Array, genuine: BoolArray, accepted: BoolArray
    ) -> "SliceCounts":
        """Assign P decided pairs of rows int64 [P, 2] to values."""
        first, second = attribute.codes[rows].T
        pairs = np.flatnonzero((first == second) & (first != UNKNOWN))
        kinds = 2 * genuine.astype(np.int64) + accepted
        return cls(attribute, pairs, first[pairs] * _KINDS + kinds[pairs])

    def count(self, weights: PairWeights) -> FloatArray:
        """Pairs of each value and kind under B weights of all pairs, float64 [B, V, 4]."""
        shape = (len(self.attribute.values), _KINDS)
        found = np.zeros((len(weights.distinct), *shape))
        pairs, starts, cells = self._by_cell
        if starts.size:
            ordered = np.take(weights.distinct, pairs, axis=1)
            sums = np.add.reduceat(ordered, starts, axis=1, dtype=np.int64)
            found.reshape(len(found), -1)[:, cells] = sums
        impostor, genuine = found[weights.impostor, :, :2], found[weights.genuine, :, 2:]
        return np.concatenate([impostor, genuine], axis=2)

    @cached_property
    def _by_cell(self) -> tuple[Int64Array, Int64Array, Int64Array]:
        """The pairs one cell after the other, where each cell begins, and which it is."""
        # Few cells are sorted fastest as small integers.
        cells = self.cells.astype(np.min_scalar_type(int(self.cells.max(initial=0))))
        order = np.argsort(cells, kind="stable")
        starts = np.flatnonzero(np.diff(self.cells[order], prepend=-1))
        return self.pairs[order], starts, self.cells[order[starts]]

    def composition(self, value: int, rate: Rate, jackknife: IdentityJackknife) -> Composition:
        """Of the pairs that a value's rate is a share of."""
        wanted = np.zeros(len(self.attribute.values) * _KINDS, np.bool_)
        wanted[[value * _KINDS + kind for kind in _TOTAL[rate]]] = True
        return jackknife.composition(self.pairs[wanted[self.cells]])


def total_of(counts: FloatArray, rate: Rate) -> FloatArray:
    """Counts float64 [..., 4] -> the number [...] of pairs that the rate is a share of."""
    total: FloatArray = counts[..., _TOTAL[rate]].sum(axis=-1)
    return total


def share_of(counts: FloatArray, rate: Rate) -> FloatArray:
    """Counts float64 [..., 4] -> the rate [...], ``nan`` of no pairs."""
    total = total_of(counts, rate)
    counted = counts[..., _COUNTED[rate]].sum(axis=-1)
    shares = np.full(total.shape, np.nan)
    np.divide(counted, total, out=shares, where=total > 0)
    return shares


@dataclass(frozen=True, eq=False)
class SliceRate:
    """One rate of one slice.

    Attributes:
        attribute: a column of the table.
        value: of the attribute.
        rate: which.
        share: the rate; ``nan`` of no pairs.
        composition: of the pairs that it is a share of.
        uncertainty: over people; None where no intervals were asked for.
    """

    attribute: str
    value: str
    rate: Rate
    share: float
    composition: Composition
    uncertainty: Uncertainty | None

    @property
    def pairs(self) -> int:
        """That the rate is a share of."""
        return sum(self.composition.pairs)

    def estimate(self) -> Estimate:
        """The rate with its interval."""
        if not self.pairs:
            return Estimate(value=None, reason="no such pair has this value on both sides")
        if self.uncertainty is None:
            return Estimate(value=self.share)
        interval = self.uncertainty.interval(self.share, is_rate=True)
        return _bounded(self.share, interval, INTERVAL_NAME)


def _bounded(value: float, interval: Interval, name: str) -> Estimate:
    return Estimate(
        value=value,
        low=interval.low,
        high=interval.high,
        interval=None if interval.reason else name,
        reason=interval.reason,
    )


def measure_slices(
    attributes: Sequence[AttributeValues],
    rows: Int64Array,
    scored: LabelledScores,
    *,
    threshold: float,
    seed: int,
    resamples: int,
) -> Slices:
    """Measure P pairs by the values of attributes.

    A pair belongs to a value if both of its images have it, as in NIST's demographic reports, so
    errors are within a group. Impostors from two groups are easier to distinguish and belong to
    neither group, so they are in no slice; nor is a genuine pair whose images differ, such as one
    with glasses and one without.
    Grother, Ngan, Hanaoka, "Face recognition vendor test, part 3: demographic effects", 2019.

    Args:
        attributes: of the N images of a table.
        rows: int64 [P, 2], rows of the table.
        scored: the pairs.
        threshold: accept a pair iff its score is at least this.
        seed: of what is drawn for the intervals.
        resamples: draws for the simultaneous intervals of gaps; 0 for no intervals.
    """
    jackknife = IdentityJackknife.of(scored)
    accepted = scored.scores >= threshold
    counted = [SliceCounts.of(attribute, rows, scored.same, accepted) for attribute in attributes]

    def shares(weights: PairWeights) -> FloatArray:
        """The rates of every value of every attribute, one after the other."""
        counts = np.concatenate([found.count(weights) for found in counted], axis=1)
        rates = np.stack([share_of(counts, rate) for rate in _RATES], axis=2)
        return rates.reshape(len(weights), -1)

    deletions = jackknife.deletions(shares, seed) if resamples and counted else None
    every = PairWeights.of_rows(np.ones((1, len(scored)), np.uint8))
    totals = shares(every)[0] if counted else np.empty(0)
    rates: list[SliceRate] = []
    for found in counted:
        for number, value in enumerate(found.attribute.values):
            for rate in _RATES:
                composition = found.composition(number, rate, jackknife)
                spread = deletions.uncertainty(len(rates), composition) if deletions else None
                share = float(totals[len(rates)])
                name = found.attribute.name
                rates.append(SliceRate(name, value, rate, share, composition, spread))
    by_value = [rates[start : start + len(_RATES)] for start in range(0, len(rates), len(_RATES))]
    return Slices(
        threshold=threshold,
        pairs=len(scored),
        slices=tuple(_slice(*each) for each in by_value),
        worst_gap=worst_gap(rates, deletions, seed=seed, draws=resamples),
    )


def _slice(accuracy: SliceRate, fmr: SliceRate, fnmr: SliceRate) -> Slice:
    return Slice(
        attribute=accuracy.attribute,
        value=accuracy.value,
        pairs=accuracy.pairs,
        genuine=fnmr.pairs,
        impostor=fmr.pairs,
        few_pairs=min(fnmr.pairs, fmr.pairs) < FEWEST_PAIRS,
        accuracy=accuracy.estimate(),
        fmr=fmr.estimate(),
        fnmr=fnmr.estimate(),
    )


def worst_gap(
    rates: Sequence[SliceRate], deletions: Deletions | None, *, seed: int, draws: int
) -> Gap | None:
    """The widest gap whose interval excludes 0; if there is none, the widest of all.

    Rates of errors are compared and not accuracies, which depend on the share of genuine pairs.

    Args:
        rates: every rate of every value of every attribute.
        deletions: of these rates, in the same order; None for no interval.
        seed: of the draws.
        draws: for the simultaneous level.

    Returns:
        None if no attribute has two values with `FEWEST_PAIRS` of a kind.
    """
    enough = [
        at
        for at, each in enumerate(rates)
        if each.rate in _ERROR_RATES and each.pairs >= FEWEST_PAIRS
    ]
    gaps = [
        (i, j) if rates[i].share >= rates[j].share else (j, i)
        for i, j in combinations(enough, 2)
        if (rates[i].attribute, rates[i].rate) == (rates[j].attribute, rates[j].rate)
    ]
    if not gaps:
        return None
    widths = [rates[i].share - rates[j].share for i, j in gaps]
    differences = [Estimate(value=width) for width in widths]
    if deletions is not None:
        higher, lower = np.array(gaps).T
        between = deletions.map(lambda found: found[:, higher] - found[:, lower])
        level = simultaneous_level(between, seed, draws)
        fewer = [
            min(rates[i].composition, rates[j].composition, key=lambda each: each.identities)
            for i, j in gaps
        ]
        fewer = [replace(each, counts=None) for each in fewer]
        differences = [
            _bounded(
                width,
                between.uncertainty(at, few).interval(width, is_rate=False, level=level),
                SIMULTANEOUS,
            )
            for at, (width, few) in enumerate(zip(widths, fewer, strict=True))
        ]

    def severity(at: int) -> tuple[bool, float]:
        low = differences[at].low
        return low is not None and low > 0, widths[at]

    widest = max(range(len(gaps)), key=severity)
    worst, best = (rates[at] for at in gaps[widest])
    return Gap(
        attribute=worst.attribute,
        rate="fmr" if worst.rate == "fmr" else "fnmr",
        worst=worst.value,
        best=best.value,
        difference=differences[widest],
        compared=len(gaps),
    )
