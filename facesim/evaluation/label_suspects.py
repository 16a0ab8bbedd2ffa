"""Suspected label errors: images and identities with too many outlier scores."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array

SIGNIFICANCE = 0.05
"""Family-wise level of the binomial tests of one kind of subject (Bonferroni)."""

EXTREME = 0.01
"""A single pair is listed beyond this quantile of the other kind of pair."""


@dataclass(frozen=True)
class Suspect:
    """A subject with more outlier pairs than chance explains.

    Attributes:
        kind: of subject.
        subject: the row of an image, an identity, or two identities.
        outliers: its outlier pairs.
        pairs: all its pairs of the kind that counts.
        worst: the position of its most extreme pair.
    """

    kind: Literal["image", "identity", "two identities"]
    subject: tuple[int, ...]
    outliers: int
    pairs: int
    worst: int


@dataclass(frozen=True)
class LabelSuspects:
    """The suspected labels.

    Attributes:
        gathered: images, identities and pairs of identities, the least likely by chance first.
        genuine: positions of single genuine pairs, the most extreme first.
        impostor: positions of single impostor pairs, the most extreme first.
    """

    gathered: tuple[Suspect, ...]
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]


def find_label_suspects(
    rows: Int64Array, identities: Int64Array, same: BoolArray, scores: FloatArray
) -> LabelSuspects:
    """Find the images, identities and pairs whose labels should be checked.

    A genuine pair is an outlier if it scores below the median impostor pair, an impostor pair if it
    scores above the median genuine pair. An image or an identity is listed if more of its genuine
    pairs are outliers than chance explains, two identities if more of the impostor pairs between
    them are: a binomial test at the share of outliers among all pairs of the kind, at
    `SIGNIFICANCE` divided by the number of subjects of its kind (Bonferroni). A single genuine pair
    is listed if it scores below the `EXTREME` quantile of the impostor pairs, a single impostor
    pair if it scores above the ``1 - EXTREME`` quantile of the genuine pairs.

    Args:
        rows: int64 [P, 2], the images of each pair.
        identities: int64 [P, 2], their identities.
        same: bool [P], True for genuine pairs; pairs of both kinds are needed to find anything.
        scores: float64 [P].
    """
    genuine, impostor = np.flatnonzero(same), np.flatnonzero(~same)
    if not (len(genuine) and len(impostor)):
        return LabelSuspects((), (), ())
    outlier = np.where(
        same, scores < np.median(scores[impostor]), scores > np.median(scores[genuine])
    )
    # How extreme: low for a genuine pair, high for an impostor pair; the most extreme first.
    rank = np.where(same, scores, -scores)
    sides = rows[genuine].T.ravel(), np.tile(genuine, 2)
    couples = np.sort(identities[impostor], axis=1)
    gathered = [
        *_gathered("image", sides[0][:, None], sides[1], outlier, rank),
        *_gathered("identity", identities[genuine, :1], genuine, outlier, rank),
        *_gathered("two identities", couples, impostor, outlier, rank),
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
    outlier: BoolArray,
    rank: FloatArray,
) -> list[tuple[float, Suspect]]:
    """The subjects with too many outlier pairs, each with its probability by chance.

    Args:
        kind: what the subjects are.
        subjects: int64 [Q, 1 or 2], one per pair.
        positions: int64 [Q], the pairs.
        outlier: bool [P].
        rank: float64 [P], the most extreme pairs lowest.
    """
    distinct, of_pair = np.unique(subjects, axis=0, return_inverse=True)
    of_pair = of_pair.reshape(-1)
    totals = np.bincount(of_pair, minlength=len(distinct))
    counts = np.bincount(of_pair, weights=outlier[positions], minlength=len(distinct))
    outliers = counts.astype(np.int64)
    share = float(outlier[positions].mean())
    found = []
    for subject in np.flatnonzero(outliers >= 2):
        chance = _binomial_tail(int(outliers[subject]), int(totals[subject]), share)
        if chance * len(distinct) < SIGNIFICANCE:
            own = positions[of_pair == subject]
            worst = int(own[np.argmin(rank[own])])
            numbers = tuple(int(number) for number in distinct[subject])
            found.append(
                (
                    chance,
                    Suspect(kind, numbers, int(outliers[subject]), int(totals[subject]), worst),
                )
            )
    return found


def _binomial_tail(successes: int, trials: int, share: float) -> float:
    """The probability of at least this many successes."""
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
