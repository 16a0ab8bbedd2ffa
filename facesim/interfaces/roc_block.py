"""ROC curves of the same pairs under many weights at once, as intervals need them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.interfaces.roc import Roc

if TYPE_CHECKING:
    from facesim.interfaces.scores import LabelledScores

IntArray = npt.NDArray[np.integer[Any]]

BYTES_PER_PAIR = 24
"""Of a block, for each of its distinct weights: the weight, the counts of both kinds, and copies of
these in passing."""

BLOCK_BYTES = 1 << 25
"""What a block of curves may take; few pairs have all their curves in one block."""


PART_BYTES = 1 << 19
"""What is read and written at a time should stay in a core's cache: fresh memory costs more than
the sums do."""


def parts_of_rows(rows: int, width: int) -> Iterator[slice]:
    """Slices of a few rows of an array each, ``width`` numbers per row: `PART_BYTES` or less.

    One row where that is more.
    """
    step = max(1, PART_BYTES // (8 * max(width, 1)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def rows_of_block(pairs: int) -> int:
    """How many distinct weights of so many pairs a block may hold, 2 or more."""
    return max(2, BLOCK_BYTES // (BYTES_PER_PAIR * max(pairs, 1)))


@dataclass(frozen=True, eq=False)
class PairWeights:
    """B ways to weight P pairs.

    Where only genuine or only impostor pairs are left out, the other kind keeps the weights that it
    has elsewhere; so each kind names a row, and what is counted of a row is counted once.

    Attributes:
        distinct: integers [U, P], 0 or greater: how often each pair counts.
        genuine: int64 [B], the row that weights the genuine pairs.
        impostor: int64 [B], the row that weights the impostor pairs.
    """

    distinct: IntArray
    genuine: Int64Array
    impostor: Int64Array

    @classmethod
    def of_rows(cls, weights: IntArray) -> "PairWeights":
        """Weights [B, P] of both kinds."""
        rows = np.arange(len(weights))
        return cls(weights, rows, rows)

    def __len__(self) -> int:
        return len(self.genuine)

    def of_pairs(self, pairs: Int64Array | slice) -> "PairWeights":
        """Of some of the pairs, by their positions."""
        return PairWeights(self.distinct[:, pairs], self.genuine, self.impostor)

    def times(self, factors: Int64Array | None) -> "PairWeights":
        """Each pair as often as int64 [P] says more; as often as before for None."""
        if factors is None:
            return self
        return PairWeights(self.distinct * factors, self.genuine, self.impostor)

    def of_curve(self, at: int, same: BoolArray) -> Int64Array:
        """Weights int64 [P] of one of the B ways.

        Args:
            at: which.
            same: bool [P], which pairs are genuine.
        """
        genuine, impostor = self.distinct[self.genuine[at]], self.distinct[self.impostor[at]]
        return np.asarray(np.where(same, genuine, impostor), np.int64)


@dataclass(frozen=True, eq=False)
class KindCounts:
    """The pairs of one kind under U distinct weights.

    Attributes:
        accepted: integers [U, T + 1], the pairs that each point of the curve accepts.
        rows: int64 [B], which of the U weights each of B curves has.
    """

    accepted: IntArray
    rows: Int64Array

    @cached_property
    def total(self) -> Int64Array:
        """All pairs of each curve, int64 [B]."""
        return np.asarray(self.accepted[self.rows, -1], np.int64)

    def at(self, points: Int64Array) -> Int64Array:
        """The pairs that each curve accepts at points int64 [B] or [B, F] of its own."""
        begins = self._begins if points.ndim == 1 else self._begins[:, None]
        return np.asarray(np.take(self.accepted, begins + points), np.int64)

    @cached_property
    def _begins(self) -> Int64Array:
        """Where the row of each curve begins in the array as one line, int64 [B]."""
        begins: Int64Array = self.rows * self.accepted.shape[1]
        return begins

    def at_scores(self) -> Iterator[tuple[slice, IntArray]]:
        """The pairs with each distinct score, a few of the U rows at a time: integers [R, T]."""
        for some in parts_of_rows(*self.accepted.shape):
            yield some, np.diff(self.accepted[some], axis=1)

    def rates(self, rows: Int64Array) -> FloatArray:
        """The share of pairs that each point accepts under some of the U weights.

        Float64 [R, T + 1] of int64 [R]; ``nan`` of no pairs.
        """
        accepted = self.accepted[rows]
        return shares(accepted, accepted[:, -1:])


@dataclass(frozen=True, eq=False)
class Confusions:
    """`Confusion` of a threshold of each of B curves: the same rates, float64 [B] each.

    Attributes:
        true_accepts: int64 [B].
        false_accepts: int64 [B].
        genuine: int64 [B].
        impostor: int64 [B].
    """

    true_accepts: Int64Array
    false_accepts: Int64Array
    genuine: Int64Array
    impostor: Int64Array

    @cached_property
    def tar(self) -> FloatArray:
        """True accept rates."""
        return shares(self.true_accepts, self.genuine)

    @cached_property
    def fmr(self) -> FloatArray:
        """False match rates."""
        return shares(self.false_accepts, self.impostor)

    @cached_property
    def fnmr(self) -> FloatArray:
        """False non-match rates."""
        return shares(self.genuine - self.true_accepts, self.genuine)

    @cached_property
    def accuracy(self) -> FloatArray:
        """Shares of all pairs that are decided correctly."""
        correct = self.true_accepts + self.impostor - self.false_accepts
        return shares(correct, self.genuine + self.impostor)

    @cached_property
    def balanced_accuracy(self) -> FloatArray:
        """As of one curve."""
        return (self.tar + 1.0 - self.fmr) / 2.0


@dataclass(frozen=True, eq=False)
class RocBlock:
    """B ROC curves of the same P pairs, each with weights of its own.

    A metric that is computed from these arrays costs a pass over them; iterating gives each curve
    as a `Roc`. Curves have the same thresholds, and points are counted as in a `Roc`.

    Example:
        >>> scored = LabelledScores.of([0.9, 0.8, 0.3], [1, 0, 0], [7, 7, 8], [7, 9, 9])
        >>> block = scored.rocs(PairWeights.of_rows(np.array([[1, 1, 1], [1, 0, 1]])))
        >>> block.impostor.total
        array([2, 1])

    Attributes:
        labelled: the pairs.
        weights: of each curve.
        genuine: the genuine pairs that each point accepts.
        impostor: the impostor pairs that each point accepts.
    """

    labelled: "LabelledScores"
    weights: PairWeights
    genuine: KindCounts
    impostor: KindCounts

    @classmethod
    def of(cls, labelled: "LabelledScores", weights: PairWeights) -> "RocBlock":
        """The curves of scored pairs: one cumulative sum per distinct weight and kind."""
        # The narrowest integers that hold all sums: what is read and written is what takes time.
        most = int(weights.distinct.max(initial=0)) * len(labelled)
        dtype = np.int32 if most < np.iinfo(np.int32).max else np.int64
        kinds = []
        for order, accepted in labelled.ranked.by_kind:
            found = np.empty((len(weights.distinct), len(accepted)), dtype)
            for some in parts_of_rows(*found.shape):
                ordered = np.take(weights.distinct[some], order, axis=1)
                sums = np.zeros((len(ordered), len(order) + 1), dtype)
                np.cumsum(ordered, axis=1, dtype=dtype, out=sums[:, 1:])
                # Clipping spares a buffer; no position is out of bounds.
                np.take(sums, accepted, axis=1, out=found[some], mode="clip")
            kinds.append(found)
        return cls(
            labelled,
            weights,
            KindCounts(kinds[0], weights.genuine),
            KindCounts(kinds[1], weights.impostor),
        )

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self) -> Iterator[Roc]:
        for at in range(len(self)):
            yield self.labelled.roc(self.weights.of_curve(at, self.labelled.same))

    def take(self, curves: Int64Array) -> "RocBlock":
        """Some of the curves, by their positions int64 [C], or some several times."""
        weights = self.weights
        weights = PairWeights(weights.distinct, weights.genuine[curves], weights.impostor[curves])
        return RocBlock(
            self.labelled,
            weights,
            KindCounts(self.genuine.accepted, weights.genuine),
            KindCounts(self.impostor.accepted, weights.impostor),
        )

    @property
    def thresholds(self) -> FloatArray:
        """Of all curves, float64 [T + 1]: descending, ``inf`` first."""
        return self.labelled.ranked.thresholds

    @cached_property
    def by_network(self) -> "tuple[RocBlock, ...]":
        """As `Roc.by_network`."""
        if self.labelled.network is None:
            return (self,)
        return tuple(
            scored.rocs(self.weights.of_pairs(positions))
            for positions, scored in self.labelled.of_networks
        )

    @property
    def has_both(self) -> BoolArray:
        """Whether each curve has pairs of both kinds, bool [B]."""
        return np.logical_and(self.genuine.total > 0, self.impostor.total > 0)

    def areas(self) -> FloatArray:
        """`Roc.area` of each curve, float64 [B]."""
        doubled = np.empty(len(self))
        # Next to one another, the curves that leave out the same pairs share rows.
        order = np.argsort(np.maximum(self.genuine.rows, self.impostor.rows), kind="stable")
        for some in parts_of_rows(len(self), len(self.thresholds) // 3):
            curves = order[some]
            genuine, tar_of = np.unique(self.genuine.rows[curves], return_inverse=True)
            impostor, fmr_of = np.unique(self.impostor.rows[curves], return_inverse=True)
            tar = self.genuine.rates(genuine)
            tar = tar[:, 1:] + tar[:, :-1]
            fmr = np.diff(self.impostor.rates(impostor), axis=1)
            doubled[curves] = [
                fmr[i] @ tar[g] for i, g in zip(fmr_of.tolist(), tar_of.tolist(), strict=True)
            ]
        return np.where(self.has_both, doubled / 2.0, np.nan)

    def at(self, thresholds: FloatArray) -> Confusions:
        """What a threshold of each curve accepts, float64 [B]; see `Roc.at`."""
        key = thresholds.tobytes()
        if key not in self._at:  # several metrics ask for the same thresholds
            below = np.searchsorted(self.thresholds[::-1], thresholds, side="left")
            points = np.maximum(len(self.thresholds) - below - 1, 0)
            genuine, impostor = self.genuine, self.impostor
            self._at[key] = Confusions(
                genuine.at(points), impostor.at(points), genuine.total, impostor.total
            )
        return self._at[key]

    @cached_property
    def _at(self) -> dict[bytes, Confusions]:
        return {}

    def first_point(
        self, reached: Callable[[Int64Array], BoolArray], shape: tuple[int, ...]
    ) -> Int64Array:
        """The first point of each curve from which on a condition holds.

        Args:
            reached: whether it holds, of points int64 [B] or [B, F]; False up to some point and
                True from there on.
            shape: ``(B,)`` or ``(B, F)``.

        Returns:
            Points, int64 of that shape; T + 1 where no point reaches it.
        """
        points = len(self.thresholds)
        before = np.zeros(shape, np.int64)  # as many points are known not to reach it
        for bit in reversed(range(points.bit_length())):
            more = before + (1 << bit)
            # Beyond the end the last point decides: if it does not reach it, none does.
            before = np.where(reached(np.minimum(more, points) - 1), before, more)
        return np.minimum(before, points)

    def last_point_allowing(self, false_accepts: Int64Array) -> Int64Array:
        """The last point that accepts at most so many impostor pairs, of int64 [B] or [B, F]."""
        shape = false_accepts.shape
        return self.first_point(lambda at: self.impostor.at(at) > false_accepts, shape) - 1

    def best_accuracy_points(self) -> Int64Array:
        """`Roc.best_accuracy_point` of each curve, int64 [B]."""
        genuine, impostor = self.genuine, self.impostor
        correct = genuine.accepted[genuine.rows] - impostor.accepted[impostor.rows]
        found: Int64Array = np.argmax(correct, axis=1)
        return found

    def thresholds_at(self, points: Int64Array) -> FloatArray:
        """`Roc.threshold_at` of a point of each curve, float64 [B] of int64 [B]."""
        last = len(self.thresholds) - 1
        if not last:
            return np.full(points.shape, np.nan)
        lowest_accepted = self.thresholds[points]
        highest_rejected = self.thresholds[np.minimum(points + 1, last)]
        with np.errstate(invalid="ignore"):  # infinite at point 0, which is told apart below
            middle = highest_rejected + (lowest_accepted - highest_rejected) / 2.0
        between = (highest_rejected < middle) & (middle <= lowest_accepted) & (points < last)
        above = np.nextafter(self.thresholds[1], np.inf)
        return np.where(points == 0, above, np.where(between, middle, lowest_accepted))


def shares(counts: npt.ArrayLike, totals: npt.ArrayLike) -> FloatArray:
    """``counts / totals`` as float64, ``nan`` where the total is 0."""
    # Few totals are converted beforehand, or numpy would convert one for each count.
    with np.errstate(invalid="ignore"):
        found: FloatArray = np.true_divide(counts, np.asarray(totals, np.float64))
    return found
