"""Scored comparisons with their labels and the identities on both sides."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import FacesimError
from facesim.interfaces.roc import Roc, SortedPairs, checked_scores
from facesim.interfaces.roc_block import PairWeights, RocBlock
from facesim.interfaces.tables import PairSet


@dataclass(frozen=True, eq=False)
class LabelledScores:
    """P scored comparisons: what metrics, intervals, slices and baselines are measured on.

    Example:
        >>> scored = LabelledScores.of([0.9, 0.8, 0.3], [1, 0, 0], [7, 7, 8], [7, 9, 9])
        >>> scored.roc().area
        1.0

    Attributes:
        scores: float64 [P], finite; higher is more alike.
        same: bool [P], True for genuine comparisons.
        first: int64 [P], the identity on each comparison's first side.
        second: int64 [P], the identity on its second side; equal to ``first`` iff ``same``.
        network: int64 [P], which of several networks gave each score, whose scales need not be
            alike; None where one gave all.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, or ``same`` contradicts the
            identities.
    """

    scores: FloatArray
    same: BoolArray
    first: Int64Array
    second: Int64Array
    network: Int64Array | None = None

    def __post_init__(self) -> None:
        checked_scores(self.scores, self.same)
        if self.network is not None and self.network.shape != self.same.shape:
            raise FacesimError(
                f"networks of shape {self.network.shape} for {self.same.size} pairs: each needs one"
            )
        if not self.first.shape == self.second.shape == self.same.shape:
            raise FacesimError(
                f"identities of shapes {self.first.shape} and {self.second.shape} for "
                f"{self.same.size} pairs: each needs one entry per pair"
            )
        wrong = np.flatnonzero((self.first == self.second) != self.same)
        if wrong.size:
            at = wrong[0]
            raise FacesimError(
                f"{wrong.size} pairs contradict their identities, the first is pair {at}: "
                f"identities {self.first[at]} and {self.second[at]}, same = {int(self.same[at])}; "
                "same is 1 for one identity and 0 for two"
            )

    @classmethod
    def of(
        cls,
        scores: npt.ArrayLike,
        same: npt.ArrayLike,
        first: npt.ArrayLike,
        second: npt.ArrayLike,
    ) -> "LabelledScores":
        """From anything that numpy makes arrays of.

        Args:
            scores: float [P].
            same: bool [P].
            first: int [P].
            second: int [P].

        Raises:
            FacesimError: as the class.
        """
        return cls(
            *checked_scores(scores, same), np.asarray(first, np.int64), np.asarray(second, np.int64)
        )

    @classmethod
    def of_pairs(
        cls, scores: npt.ArrayLike, pairs: PairSet, identities: Int64Array
    ) -> "LabelledScores":
        """From the scores of a table's pairs.

        Args:
            scores: float [P].
            pairs: of rows of the table.
            identities: int64 [N], of every row of the table.

        Raises:
            FacesimError: as the class.
        """
        return cls.of(scores, pairs.same, *effective_pair_identities(pairs, identities))

    def __len__(self) -> int:
        return len(self.scores)

    @cached_property
    def ranked(self) -> SortedPairs:
        """The comparisons in descending order of score."""
        return SortedPairs.of(self.scores, self.same)

    @cached_property
    def of_networks(self) -> "tuple[tuple[Int64Array, LabelledScores], ...]":
        """The comparisons of each of several networks: their positions, and their scores alone."""
        if self.network is None:
            return ()
        positions = [np.flatnonzero(self.network == each) for each in np.unique(self.network)]
        return tuple(
            (at, LabelledScores(self.scores[at], self.same[at], self.first[at], self.second[at]))
            for at in positions
        )

    def roc(self, weights: Int64Array | None = None) -> Roc:
        """The ROC curve, each comparison counted ``weights`` [P] times; once each by default."""
        return self._unweighted if weights is None else self.ranked.roc(weights, self)

    @cached_property
    def _unweighted(self) -> Roc:
        return self.ranked.roc(None, self)

    def rocs(self, weights: PairWeights) -> RocBlock:
        """The ROC curves under B ways to weight the comparisons."""
        return RocBlock.of(self, weights)

    def has_same_comparisons_as(self, other: "LabelledScores") -> bool:
        """Whether the other scores are of comparisons with these labels and identities."""
        ours, theirs = (np.stack([each.same, each.first, each.second]) for each in (self, other))
        return np.array_equal(ours, theirs)


def effective_pair_identities(
    pairs: PairSet, identities: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """The identities of both sides of P pairs, int64 [P] each, as the pairs themselves have them.

    Where a list contradicts the table, and the linter's rule about that is a warning, the list
    counts: the second side of a pair that it calls genuine takes the first one's identity, and
    that of one that it calls impostor becomes an identity of its own.

    Args:
        pairs: of a table.
        identities: int64 [N], of every row of the table.
    """
    first, second = identities[pairs.rows].T.copy()
    agree = (first == second) == pairs.same
    false_impostor, false_genuine = ~agree & pairs.same, ~agree & ~pairs.same
    second[false_impostor] = first[false_impostor]
    new_identity = identities.max(initial=-1) + 1
    second[false_genuine] = new_identity + np.arange(np.count_nonzero(false_genuine))
    return first, second
