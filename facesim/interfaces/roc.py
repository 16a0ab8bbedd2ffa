"""The ROC curve: what each threshold accepts, exact with tied scores."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import FacesimError

if TYPE_CHECKING:
    from facesim.interfaces.scores import LabelledScores


@dataclass(frozen=True)
class Confusion:
    """The outcome of one threshold. A rate over no pairs does not exist and is ``nan``.

    Rates of comparisons as in ISO/IEC 19795-1: FMR and FNMR. FAR and FRR are rates of
    transactions there; with one comparison per transaction they are the same numbers, and
    ``tar`` keeps the name by which TAR at FAR is known.

    Attributes:
        true_accepts: accepted genuine pairs.
        false_accepts: accepted impostor pairs.
        genuine: all genuine pairs.
        impostor: all impostor pairs.
    """

    true_accepts: int
    false_accepts: int
    genuine: int
    impostor: int

    @property
    def correct(self) -> int:
        """Accepted genuine and rejected impostor pairs."""
        return self.true_accepts + self.impostor - self.false_accepts

    @property
    def tar(self) -> float:
        """True accept rate: ``1 - fnmr``."""
        return proportion(self.true_accepts, self.genuine)

    @property
    def fmr(self) -> float:
        """False match rate: the share of impostor pairs that are accepted."""
        return proportion(self.false_accepts, self.impostor)

    @property
    def fnmr(self) -> float:
        """False non-match rate: the share of genuine pairs that are rejected."""
        return proportion(self.genuine - self.true_accepts, self.genuine)

    @property
    def accuracy(self) -> float:
        """Share of all pairs that are decided correctly."""
        return proportion(self.correct, self.genuine + self.impostor)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares of genuine and of impostor pairs that are decided correctly."""
        return (self.tar + 1.0 - self.fmr) / 2.0


def proportion(count: int, total: int) -> float:
    """``count / total``, or ``nan`` of nothing."""
    return count / total if total else math.nan


@dataclass(frozen=True, eq=False)
class Roc:
    """How many pairs each threshold accepts; a pair is accepted iff ``score >= threshold``.

    Point 0 accepts nothing (its threshold is ``inf``); each further point has one distinct score
    as its threshold, so that tied pairs are accepted together and the last point accepts all.

    Attributes:
        thresholds: float64 [T + 1], strictly descending, ``inf`` first.
        true_accepts: int64 [T + 1], accepted genuine pairs.
        false_accepts: int64 [T + 1], accepted impostor pairs.
        labelled: the comparisons that are counted, with their identities; None where they were
            counted as they passed and not kept.
        weights: int64 [P], how often each of ``labelled`` counts; None for once each.
    """

    thresholds: FloatArray
    true_accepts: Int64Array
    false_accepts: Int64Array
    labelled: "LabelledScores | None" = field(default=None, kw_only=True, repr=False)
    weights: Int64Array | None = field(default=None, kw_only=True, repr=False)

    @classmethod
    def of_scores(
        cls,
        scores: npt.ArrayLike,
        same: npt.ArrayLike,
        weights: Int64Array | None = None,
    ) -> "Roc":
        """The curve of P pairs, in O(P log P).

        Args:
            scores: float [P], higher is more alike.
            same: bool [P], True for genuine pairs.
            weights: int [P], how often each pair counts; once each by default.

        Raises:
            FacesimError: the lengths differ, or a score is NaN or infinite.
        """
        scores, same = checked_scores(scores, same)
        return SortedPairs.of(scores, same).roc(weights)

    def __len__(self) -> int:
        return len(self.thresholds)

    @cached_property
    def genuine(self) -> int:
        """The number of genuine pairs."""
        return int(self.true_accepts[-1])

    @cached_property
    def impostor(self) -> int:
        """The number of impostor pairs."""
        return int(self.false_accepts[-1])

    @cached_property
    def by_network(self) -> "tuple[Roc, ...]":
        """A curve per network where several gave the scores; else this one alone.

        See :attr:`LabelledScores.network`. A threshold may hold for all of them; where one score is
        held against another, as in the area, both must be one network's.
        """
        if self.labelled is None or self.labelled.network is None:
            return (self,)
        return tuple(
            scored.roc(None if self.weights is None else self.weights[positions])
            for positions, scored in self.labelled.of_networks
        )

    @property
    def has_every_score(self) -> bool:
        """Whether each pair's own score is a point; a subclass may leave points out."""
        return True

    @property
    def missing(self) -> str | None:
        """What the pairs lack for rates of both kinds, in words, or None if nothing."""
        if self.genuine and self.impostor:
            return None
        if not (self.genuine or self.impostor):
            return "there are no pairs"
        return f"there is no {'impostor' if self.genuine else 'genuine'} pair"

    @cached_property
    def tar(self) -> FloatArray:
        """True accept rate at each point, float64 [T + 1]; ``nan`` without genuine pairs."""
        return _rates(self.true_accepts, self.genuine)

    @cached_property
    def fmr(self) -> FloatArray:
        """False match rate at each point, float64 [T + 1]; ``nan`` without impostors."""
        return _rates(self.false_accepts, self.impostor)

    @cached_property
    def fnmr(self) -> FloatArray:
        """False non-match rate at each point, float64 [T + 1]."""
        return _rates(self.genuine - self.true_accepts, self.genuine)

    @property
    def area(self) -> float:
        """Area under the curve: the chance that a genuine pair outscores an impostor pair.

        A tie counts half. ``nan`` unless there are pairs of both kinds.
        """
        if self.missing:
            return float("nan")
        return float(np.diff(self.fmr) @ (self.tar[1:] + self.tar[:-1])) / 2.0

    def point(self, index: int) -> Confusion:
        """What one point of the curve accepts."""
        return Confusion(
            int(self.true_accepts[index]),
            int(self.false_accepts[index]),
            self.genuine,
            self.impostor,
        )

    def at(self, threshold: float) -> Confusion:
        """What any threshold accepts; ``threshold`` need not be a score of the curve."""
        accepted = len(self) - int(np.searchsorted(self.thresholds[::-1], threshold, side="left"))
        return self.point(max(accepted - 1, 0))

    def false_match_identities(self, threshold: float) -> int | None:
        """Distinct identities in the impostor pairs that a threshold accepts.

        None where that is not known, because single pairs were not kept.
        """
        scored = self.labelled
        if scored is None:
            return None
        accepted = ~scored.same & (scored.scores >= threshold)
        if self.weights is not None:
            accepted &= self.weights > 0
        return len(np.union1d(scored.first[accepted], scored.second[accepted]))

    def highest_rejected(self, index: int) -> float:
        """The highest score that point ``index`` rejects; the last point rejects none."""
        return float(self.thresholds[index + 1])

    def threshold_at(self, index: int) -> float:
        """A threshold for use that accepts exactly what point ``index`` accepts.

        Midway between the lowest accepted and the highest rejected score, and not that lowest
        score itself: the same pair scored on another machine differs in its last bits and must
        not change sides by that, and the middle takes neither class's part on unseen pairs.
        Beyond the ends of the curve there is no neighbour: just above the highest score where
        nothing is accepted, the lowest score itself where all is. ``nan`` for a curve of no pairs.
        """
        if len(self) == 1:
            return float("nan")
        if index == 0:
            return float(np.nextafter(self.highest_rejected(0), np.inf))
        lowest_accepted = float(self.thresholds[index])
        if index == len(self) - 1:
            return lowest_accepted
        highest_rejected = self.highest_rejected(index)
        middle = highest_rejected + (lowest_accepted - highest_rejected) / 2.0
        # Between neighbouring floats the middle may round down to the rejected score.
        return middle if highest_rejected < middle <= lowest_accepted else lowest_accepted

    def best_accuracy_point(self) -> int:
        """The point that decides most pairs correctly; of several, the one that accepts fewest."""
        return int(np.argmax(self.true_accepts - self.false_accepts))

    def corners(self) -> Int64Array:
        """Indices of the points that draw the same curve without those on a straight line."""
        bends = np.diff(self.false_accepts, 2).astype(bool) | np.diff(self.true_accepts, 2).astype(
            bool
        )
        inner = np.flatnonzero(bends) + 1
        return np.unique(np.concatenate([[0], inner, [len(self) - 1]]))

    def det(self) -> FloatArray:
        """The detection error trade-off, float64 [K, 2]: FMR and FNMR at each corner.

        Points where either is 0 are included; logarithmic axes cannot show them.
        Martin et al., "The DET curve in assessment of detection task performance", 1997.
        """
        corners = self.corners()
        return np.stack([self.fmr[corners], self.fnmr[corners]], axis=1)


@dataclass(frozen=True, eq=False)
class SortedPairs:
    """Pairs in descending order of score: sorted once, counted under any weights in O(P).

    Attributes:
        order: int64 [P], the pairs by descending score.
        same: bool [P], in that order.
        ends: int64 [T], where in that order the pairs of each distinct score end (inclusive).
        thresholds: float64 [T + 1], ``inf`` and the distinct scores.
    """

    order: Int64Array
    same: BoolArray
    ends: Int64Array
    thresholds: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, same: BoolArray) -> "SortedPairs":
        """Sort pairs whose arrays passed `checked_scores`."""
        order = np.argsort(-scores, kind="stable")
        descending = scores[order]
        last_of_its_score = np.append(descending[1:] != descending[:-1], True)
        ends = np.flatnonzero(last_of_its_score[: len(scores)])
        thresholds = np.concatenate([[np.inf], descending[ends]])
        return cls(order, same[order], ends, thresholds)

    def roc(
        self,
        weights: Int64Array | None = None,
        labelled: "LabelledScores | None" = None,
    ) -> Roc:
        """The curve with each pair counted ``weights`` times; weights in the original order."""
        times = np.ones(len(self.order), np.int64) if weights is None else weights[self.order]
        genuine = np.cumsum(times * self.same, dtype=np.int64)[self.ends]
        total = np.cumsum(times, dtype=np.int64)[self.ends]
        return Roc(
            self.thresholds,
            _from_zero(genuine),
            _from_zero(total - genuine),
            labelled=labelled,
            weights=weights,
        )

    @cached_property
    def by_kind(self) -> tuple[tuple[Int64Array, Int64Array], tuple[Int64Array, Int64Array]]:
        """The genuine and the impostor pairs alone.

        Of each kind the pairs int64 [K] by descending score, and how many of them each point of the
        curve accepts, int64 [T + 1].
        """
        genuine, impostor = (
            (self.order[kind], _from_zero(np.cumsum(kind, dtype=np.int64)[self.ends]))
            for kind in (self.same, ~self.same)
        )
        return genuine, impostor


def checked_scores(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Scores as float64 [P] and same as bool [P].

    Raises:
        FacesimError: the lengths differ, or a score is NaN or infinite.
    """
    # float64 also because numpy would round a Python threshold to float32 against float32 scores.
    checked, genuine = np.asarray(scores, np.float64), np.asarray(same, np.bool_)
    if checked.ndim != 1 or checked.shape != genuine.shape:
        raise FacesimError(
            f"scores of shape {checked.shape} and same of shape {genuine.shape}: "
            "each needs one entry per pair"
        )
    broken = np.flatnonzero(~np.isfinite(checked))
    if broken.size:
        raise FacesimError(
            f"{broken.size} of {checked.size} scores are NaN or infinite, the first at pair "
            f"{broken[0]}: the embeddings or the loss's score have diverged; "
            "try a lower learning rate or an earlier checkpoint"
        )
    return checked, genuine


def _from_zero(counts: Int64Array) -> Int64Array:
    return np.concatenate([np.zeros(1, np.int64), counts])


def _rates(counts: Int64Array, total: int) -> FloatArray:
    return counts / total if total else np.full(len(counts), np.nan)
