"""Which labels look wrong: odd scores that gather on one image, one identity or two identities."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array

SIGNIFICANCE = 0.05
EXTREME = 0.01

RULE = (
    "A genuine pair is odd if it scores below the median impostor pair, an impostor pair if it "
    "scores above the median genuine pair. An image or an identity is listed if more of its "
    "genuine pairs are odd than chance explains, two identities if more of the impostor pairs "
    "between them are (a binomial test at the share of odd pairs among all of the kind, 5% shared "
    "among all that were tested). A single pair is listed if it is a genuine pair that scores "
    "lower than 99% of the impostor pairs, or an impostor pair that scores higher than 99% of the "
    "genuine pairs. A wrong label does this, and so do a hard image and a weak system: look "
    "before you change anything."
)


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
    """All that the rule lists.

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
    """Apply `RULE`.

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
