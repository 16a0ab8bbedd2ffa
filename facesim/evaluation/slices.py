"""Error rates by attribute at the global threshold (demographic differentials)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import FiniteFloat, NonNegativeInt, PositiveInt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.attribute_values import UNKNOWN, AttributeValues
from facesim.evaluation.intervals import (
    INTERVAL_NAME,
    IdentityBootstrap,
    Interval,
    bootstrap_interval,
)
from facesim.interfaces.result import Estimate
from facesim.interfaces.scores import LabelledScores
from facesim.json_files import JsonModel

FEWEST_PAIRS = 30
"""A rate of fewer pairs is flagged and not compared: one error would decide the gap."""

Rate = Literal["accuracy", "fmr", "fnmr"]

# A decided pair is of one of four kinds, numbered 2 * genuine + accepted.
_KINDS = 4
_TOTAL: dict[Rate, list[int]] = {"accuracy": [0, 1, 2, 3], "fmr": [0, 1], "fnmr": [2, 3]}
_COUNTED: dict[Rate, list[int]] = {"accuracy": [0, 3], "fmr": [1], "fnmr": [2]}
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
        worst: the value with the highest rate.
        best: the value with the lowest rate.
        difference: highest less lowest. The interval is of the difference itself, both rates on
            the same resamples; that this gap was chosen for its width is not in it.
        compared: number of gaps, one per attribute and rate, that it was chosen from.
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
        worst_gap: the widest gap whose interval excludes 0; if there is none, the widest. None if
            no attribute has two values with enough pairs.
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

    def count(self, weights: Int64Array) -> FloatArray:
        """Pairs of each value and kind, float64 [V, 4], each counted ``weights`` [P] times."""
        values = len(self.attribute.values)
        counts = np.bincount(self.cells, weights[self.pairs], values * _KINDS)
        return counts.astype(np.float64).reshape(values, _KINDS)

    def effective_identities(self, value: int, rate: Rate, bootstrap: IdentityBootstrap) -> float:
        """Effective number of identities in the pairs that a value's rate is a share of."""
        wanted = [value * _KINDS + kind for kind in _TOTAL[rate]]
        pairs = self.pairs[np.isin(self.cells, wanted)]
        first, second = bootstrap.first[pairs], bootstrap.second[pairs]
        return IdentityBootstrap(first, second, bootstrap.identities).effective_identities


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
        value: of the attribute.
        pairs: that the rate is a share of.
        share: the rate; ``nan`` of no pairs.
        spread: float64 [R], the rate in each resample of the identities.
        identities: effective ones behind the pairs.
    """

    value: str
    pairs: int
    share: float
    spread: FloatArray
    identities: float

    def estimate(self) -> Estimate:
        """The rate with its interval."""
        if not self.pairs:
            return Estimate(value=None, reason="no such pair has this value on both sides")
        if not self.spread.size:
            return Estimate(value=self.share)
        return _bounded(
            self.share,
            bootstrap_interval(self.share, self.spread, self.identities, is_rate=True),
        )

    def difference_to(self, other: "SliceRate") -> Estimate:
        """The difference to the same rate of another slice, both on the same resamples."""
        difference = self.share - other.share
        if not self.spread.size:
            return Estimate(value=difference)
        identities = min(self.identities, other.identities)
        spread = self.spread - other.spread
        return _bounded(
            difference, bootstrap_interval(difference, spread, identities, is_rate=False)
        )


def _bounded(value: float, interval: Interval) -> Estimate:
    return Estimate(
        value=value,
        low=interval.low,
        high=interval.high,
        interval=None if interval.reason else INTERVAL_NAME,
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
        seed: of the resamples.
        resamples: of all identities in the pairs, in a slice or not; 0 for no intervals.
    """
    bootstrap = IdentityBootstrap.of(scored)
    accepted = scored.scores >= threshold
    counted = [SliceCounts.of(attribute, rows, scored.same, accepted) for attribute in attributes]
    resampled = _resampled_counts(counted, bootstrap, seed, resamples)
    rates = {
        found.attribute.name: _rates(found, spread, bootstrap)
        for found, spread in zip(counted, resampled, strict=True)
    }
    return Slices(
        threshold=threshold,
        pairs=len(scored),
        slices=tuple(_slice(name, found) for name, values in rates.items() for found in values),
        worst_gap=worst_gap(rates),
    )


def _rates(
    counted: SliceCounts, resampled: FloatArray, bootstrap: IdentityBootstrap
) -> list[dict[Rate, SliceRate]]:
    """Every rate of every value."""
    counts = counted.count(np.ones(len(bootstrap.first), np.int64))
    return [
        {
            rate: SliceRate(
                value,
                pairs=int(total_of(counts[number], rate)),
                share=float(share_of(counts[number], rate)),
                spread=share_of(resampled[:, number], rate),
                identities=counted.effective_identities(number, rate, bootstrap),
            )
            for rate in _RATES
        }
        for number, value in enumerate(counted.attribute.values)
    ]


def _slice(attribute: str, rates: dict[Rate, SliceRate]) -> Slice:
    genuine, impostor = rates["fnmr"].pairs, rates["fmr"].pairs
    return Slice(
        attribute=attribute,
        value=rates["accuracy"].value,
        pairs=rates["accuracy"].pairs,
        genuine=genuine,
        impostor=impostor,
        few_pairs=min(genuine, impostor) < FEWEST_PAIRS,
        **{rate: found.estimate() for rate, found in rates.items()},
    )


def _resampled_counts(
    slices: Sequence[SliceCounts], bootstrap: IdentityBootstrap, seed: int, resamples: int
) -> Iterator[FloatArray]:
    """The counts float64 [R, V, 4] of each attribute, all from the same resamples."""

    def count(weights: Int64Array) -> FloatArray:
        return np.concatenate([found.count(weights) for found in slices])

    if not slices:
        return
    values = [len(found.attribute.values) for found in slices]
    counts = bootstrap.values(count, seed=seed, resamples=resamples)
    yield from np.split(counts.reshape(resamples, sum(values), _KINDS), np.cumsum(values)[:-1], 1)


def worst_gap(attributes: Mapping[str, Sequence[Mapping[Rate, SliceRate]]]) -> Gap | None:
    """The widest gap whose interval excludes 0; if there is none, the widest of all.

    Rates of errors are compared and not accuracies, which depend on the share of genuine pairs.

    Args:
        attributes: the rates of each value, by the attribute's name.

    Returns:
        None if no attribute has two values with `FEWEST_PAIRS` of a kind.
    """
    gaps = [gap for name, values in attributes.items() for gap in _gaps(name, values)]
    if not gaps:
        return None

    def severity(gap: Gap) -> tuple[bool, float]:
        significant = gap.difference.low is not None and gap.difference.low > 0
        return significant, gap.difference.value or 0.0

    return max(gaps, key=severity).model_copy(update={"compared": len(gaps)})


def _gaps(attribute: str, values: Sequence[Mapping[Rate, SliceRate]]) -> Iterator[Gap]:
    for rate in _ERROR_RATES:
        rates = [found[rate] for found in values if found[rate].pairs >= FEWEST_PAIRS]
        if len(rates) > 1:
            best, *_, worst = sorted(rates, key=lambda found: found.share)
            yield Gap(
                attribute=attribute,
                rate=rate,
                worst=worst.value,
                best=best.value,
                difference=worst.difference_to(best),
                compared=1,
            )
