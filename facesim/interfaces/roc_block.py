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

BYTES_PER_PAIR = 48
"""Of a block, for each of its distinct weights: counts and rates of both kinds, and a passing copy
of some."""

BLOCK_BYTES = 1 << 25
"""What a block of curves may take; few pairs have all their curves in one block."""


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
        rows = self.rows.reshape(-1, *(1,) * (points.ndim - 1))
        return np.asarray(self.accepted[rows, points], np.int64)

    @property
    def at_scores(self) -> IntArray:
        """The pairs with each distinct score, integers [U, T]."""
        return np.diff(self.accepted, axis=1)

    def rates(self) -> FloatArray:
        """The share of pairs that each point accepts, float64 [U, T + 1]; ``nan`` of no pairs."""
        return shares(self.accepted, self.accepted[:, -1:])


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

    @property
    def tar(self) -> FloatArray:
        """True accept rates."""
        return shares(self.true_accepts, self.genuine)

    @property
    def fmr(self) -> FloatArray:
        """False match rates."""
        return shares(self.false_accepts, self.impostor)

    @property
    def fnmr(self) -> FloatArray:
        """False non-match rates."""
        return shares(self.genuine - self.true_accepts, self.genuine)

    @property
    def accuracy(self) -> FloatArray:
        """Shares of all pairs that are decided correctly."""
        correct = self.true_accepts + self.impostor - self.false_accepts
        return shares(correct, self.genuine + self.impostor)

    @property
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
            sums = np.zeros((len(weights.distinct), len(order) + 1), dtype)
            np.cumsum(
                np.take(weights.distinct, order, axis=1), axis=1, dtype=dtype, out=sums[:, 1:]
            )
            kinds.append(np.take(sums, accepted, axis=1))
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
        tar = self.genuine.rates()
        tar = tar[:, 1:] + tar[:, :-1]
        fmr = np.diff(self.impostor.rates(), axis=1)
        # A product of rows per curve: copying rows into one large product takes longer.
        rows = zip(self.impostor.rows, self.genuine.rows, strict=True)
        doubled = np.array([fmr[i] @ tar[g] for i, g in rows], np.float64)
        return np.where(self.has_both, doubled / 2.0, np.nan)

    def at(self, thresholds: FloatArray) -> Confusions:
        """What a threshold of each curve accepts, float64 [B]; see `Roc.at`."""
        below = np.searchsorted(self.thresholds[::-1], thresholds, side="left")
        points = np.maximum(len(self.thresholds) - below - 1, 0)
        genuine, impostor = self.genuine, self.impostor
        return Confusions(genuine.at(points), impostor.at(points), genuine.total, impostor.total)

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
        low, high = np.zeros(shape, np.int64), np.full(shape, len(self.thresholds))
        for _ in range(len(self.thresholds).bit_length()):
            open_ = low < high
            middle = np.where(open_, (low + high) // 2, 0)
            holds = reached(middle)
            high = np.where(open_ & holds, middle, high)
            low = np.where(open_ & ~holds, middle + 1, low)
        return low

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
    with np.errstate(invalid="ignore"):
        found: FloatArray = np.true_divide(counts, totals)
    return found
