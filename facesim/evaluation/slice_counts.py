"""How many pairs of each kind stand within each value of an attribute, under any weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.attribute_values import UNKNOWN, AttributeValues
from facesim.evaluation.identity_bootstrap import IdentityBootstrap

Rate = Literal["accuracy", "fmr", "fnmr"]

# A decided pair is of one of four kinds, numbered 2 * genuine + accepted.
_KINDS = 4
_TOTAL: dict[Rate, list[int]] = {"accuracy": [0, 1, 2, 3], "fmr": [0, 1], "fnmr": [2, 3]}
_COUNTED: dict[Rate, list[int]] = {"accuracy": [0, 3], "fmr": [1], "fnmr": [2]}


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
        """Sort P decided pairs of rows int64 [P, 2] by value."""
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
        """Behind the pairs of a value that a rate is a share of."""
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


def resampled_counts(
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
