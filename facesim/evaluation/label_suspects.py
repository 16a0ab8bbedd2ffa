"""Suspected label errors: images and identities with too many odd scores."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array

SIGNIFICANCE = 0.05
"""Of the binomial tests of one kind of subject together (Bonferroni)."""

EXTREME = 0.01
"""The share of the other kind of pair that a single listed pair lies beyond."""


@dataclass(frozen=True)
class Suspect:
    """Something whose pairs are odd more often than chance explains.

    Attributes:
        kind: what it is.
        subject: the row of an image, an identity, or two identities.
        odd: its odd pairs.
        pairs: all its pairs of the kind that counts.
        worst: the position of its oddest pair.
    """

    kind: Literal["image", "identity", "two identities"]
    subject: tuple[int, ...]
    odd: int
    pairs: int
    worst: int


@dataclass(frozen=True)
class LabelSuspects:
    """The suspected labels.

    Attributes:
        gathered: images, identities and couples of identities, the least likely by chance first.
        genuine: positions of single genuine pairs, the oddest first.
        impostor: positions of single impostor pairs, the oddest first.
    """

    gathered: tuple[Suspect, ...]
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]


def find_label_suspects(
    rows: Int64Array, identities: Int64Array, same: BoolArray, scores: FloatArray
) -> LabelSuspects:
    """List the images, identities and pairs whose labels deserve a look.

    A genuine pair is odd if it scores below the median impostor pair, an impostor pair if it
    scores above the median genuine pair. An image or an identity is listed if more of its genuine
    pairs are odd than chance explains, two identities if more of the impostor pairs between them
    are: a binomial test at the share of odd pairs among all pairs of the kind, at `SIGNIFICANCE`
    divided by the number of subjects of its kind (Bonferroni). A single genuine pair is listed if
    it scores below the `EXTREME` quantile of the impostor pairs, a single impostor pair if it
    scores above the ``1 - EXTREME`` quantile of the genuine pairs.

    Args:
        rows: int64 [P, 2], the images of each pair.
        identities: int64 [P, 2], their identities.
        same: bool [P], True for genuine pairs; pairs of both kinds are needed to find anything.
        scores: float64 [P].
    """
    genuine, impostor = np.flatnonzero(same), np.flatnonzero(~same)
    if not (len(genuine) and len(impostor)):
        return LabelSuspects((), (), ())
    odd = np.where(same, scores < np.median(scores[impostor]), scores > np.median(scores[genuine]))
    # How odd: low for a genuine pair, high for an impostor pair; the smaller the odder.
    rank = np.where(same, scores, -scores)
    sides = rows[genuine].T.ravel(), np.tile(genuine, 2)
    couples = np.sort(identities[impostor], axis=1)
    gathered = [
        *_gathered("image", sides[0][:, None], sides[1], odd, rank),
        *_gathered("identity", identities[genuine, :1], genuine, odd, rank),
        *_gathered("two identities", couples, impostor, odd, rank),
    ]
    low, high = np.quantile(scores[impostor], EXTREME), np.quantile(scores[genuine], 1 - EXTREME)
    return LabelSuspects(
        tuple(suspect for _, suspect in sorted(gathered, key=lambda found: found[0])),
        _in_order(genuine[scores[genuine] < low], rank),
        _in_order(impostor[scores[impostor] > high], rank),
    )


def _gathered(
    kind: Literal["image", "identity", "two identities"],
    subjects: Int64Array,
    positions: Int64Array,
    odd: BoolArray,
    rank: FloatArray,
) -> list[tuple[float, Suspect]]:
    """The subjects with too many odd pairs, each with its probability by chance.

    Args:
        kind: what the subjects are.
        subjects: int64 [Q, 1 or 2], one per pair.
        positions: int64 [Q], the pairs.
        odd: bool [P].
        rank: float64 [P], the smaller the odder.
    """
    distinct, of_pair = np.unique(subjects, axis=0, return_inverse=True)
    of_pair = of_pair.reshape(-1)
    totals = np.bincount(of_pair, minlength=len(distinct))
    odds = np.bincount(of_pair, weights=odd[positions], minlength=len(distinct)).astype(np.int64)
    share = float(odd[positions].mean())
    found = []
    for subject in np.flatnonzero(odds >= 2):
        chance = _binomial_tail(int(odds[subject]), int(totals[subject]), share)
        if chance * len(distinct) < SIGNIFICANCE:
            own = positions[of_pair == subject]
            worst = int(own[np.argmin(rank[own])])
            numbers = tuple(int(number) for number in distinct[subject])
            found.append(
                (chance, Suspect(kind, numbers, int(odds[subject]), int(totals[subject]), worst))
            )
    return found


def _binomial_tail(successes: int, trials: int, share: float) -> float:
    """The probability of at least so many successes."""
    if share >= 1.0:
        return 1.0
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(count + 1)
            - math.lgamma(trials - count + 1)
            + count * math.log(share)
            + (trials - count) * math.log1p(-share)
        )
        for count in range(successes, trials + 1)
    )


def _in_order(positions: Int64Array, rank: FloatArray) -> tuple[int, ...]:
    return tuple(
        int(position) for position in positions[np.argsort(rank[positions], kind="stable")]
    )
