"""The jackknife over identities: metrics without each of them in turn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.intervals import LEVEL
from facesim.evaluation.uncertainty import Composition, Deletions, Uncertainty
from facesim.interfaces.scores import LabelledScores

INTERVAL_NAME = f"identity_jackknife_{LEVEL * 100:.0f}"
"""The name of these intervals in ``metrics.json``."""

MOST_GROUPS = 200
"""More identities than these are deleted in as many random groups."""

PAIR_GROUPS = 60
"""Groups in which the pairs of a kind are deleted, to see their variance as independent pairs."""

Statistics = Callable[[Int64Array], Sequence[float] | FloatArray]
"""Weights int64 [P] of the pairs -> K numbers, ``nan`` where one does not exist."""


@dataclass(frozen=True, eq=False)
class IdentityJackknife:
    """The identities of P pairs, left out in turn.

    Pairs that share a person are not independent. How much a metric changes when all pairs of one
    identity are left out says how much it depends on who happened to be there; the squared changes
    add up to its variance over people. No assumption about the metric is needed but that it changes
    little with each identity, few identities are treated well where these are unequal, and nothing
    is drawn at random up to `MOST_GROUPS` identities. Resampling identities instead counts the
    chance of single impostor pairs three times (Owen, 2007), deleting them twice; how this is
    allowed for, and what few people do not show, see `facesim.evaluation.uncertainty`.

    Efron and Stein, "The jackknife estimate of variance", 1981; Shao and Wu, "A general theory for
    jackknife variance estimation", 1989, for deleting groups; MacKinnon, Nielsen and Webb, "Fast
    and reliable jackknife and bootstrap methods for cluster-robust inference", 2023, for few
    identities.

    Attributes:
        first: int64 [P], the identity of each pair's first image, counted from 0.
        second: int64 [P], that of its second image; ``identities`` for a genuine pair.
        identities: the number of distinct identities I in the pairs.
    """

    first: Int64Array
    second: Int64Array
    identities: int

    @classmethod
    def of(cls, scored: LabelledScores) -> "IdentityJackknife":
        """Number the identities of P pairs from 0; any integers may name them."""
        both = np.concatenate([scored.first, scored.second])
        distinct, codes = np.unique(both, return_inverse=True)
        first, second = codes.reshape(2, -1).astype(np.int64)
        return cls(first, np.where(scored.same, len(distinct), second), len(distinct))

    @cached_property
    def groups(self) -> Int64Array:
        """The number of the group that each identity is deleted with, int64 [I]."""
        groups = np.arange(self.identities)
        if self.identities <= MOST_GROUPS:
            return groups
        return np.random.default_rng(0).permutation(self.identities) % MOST_GROUPS

    def composition(self, pairs: Int64Array | slice = slice(None)) -> Composition:
        """Of some of the pairs, by their positions; of all by default."""
        first, second = self.first[pairs], self.second[pairs]
        genuine = second == self.identities
        sides = (first[genuine], np.append(first[~genuine], second[~genuine]))
        counts = [np.bincount(each).astype(np.float64) for each in sides]
        effective = [
            float(np.square(each.sum()) / np.square(each).sum()) if each.size else 0.0
            for each in counts
        ]
        number = int(np.count_nonzero(genuine))
        most = int(self.groups.max(initial=-1)) + 1
        of_groups = [np.bincount(self.groups[each], minlength=most) for each in sides]
        return Composition(
            (number, len(genuine) - number),
            (effective[0], effective[1]),
            (of_groups[0], of_groups[1]),
        )

    def deletions(self, statistics: Statistics, seed: int, *, by_kind: bool = True) -> Deletions:
        """Statistics without each identity, and without each of some groups of pairs.

        Args:
            statistics: of weighted pairs.
            seed: of the groups of pairs.
            by_kind: whether also without the genuine or the impostor pairs of each identity alone.
        """

        def measured(left_out: Iterable[BoolArray]) -> FloatArray:
            found = [statistics((~each).astype(np.int64)) for each in left_out]
            # A kind without pairs has no rows, and columns nevertheless.
            return np.array(found, np.float64).reshape(len(found), columns)

        # The last entry stands for the missing second identity of genuine pairs.
        groups = np.append(self.groups, -1)
        first, second = groups[self.first], groups[self.second]
        kinds = (self.second == self.identities, self.second != self.identities)
        whole = np.array([statistics(np.ones(len(self.first), np.int64))], np.float64)
        columns = whole.shape[1]

        def of_identities() -> Iterator[BoolArray]:
            # One at a time, for the sake of memory: there may be millions of pairs.
            for group in range(groups.max() + 1):
                yield (first == group) | (second == group)

        alone = [
            measured(each & kind for each in (of_identities() if by_kind else ())) for kind in kinds
        ]
        generator = np.random.default_rng(seed)
        pairs = [measured(_pair_groups(kind, generator)) for kind in kinds]
        return Deletions(
            measured(of_identities()), (alone[0], alone[1]), (pairs[0], pairs[1]), whole
        )

    def uncertainties(
        self, statistics: Statistics, seed: int, *, of_differences: bool = False
    ) -> list[Uncertainty]:
        """How far each of K statistics of all pairs varies.

        Args:
            statistics: of weighted pairs.
            seed: of random groups of pairs.
            of_differences: of two systems on the same pairs. What makes people unequal is mostly
                in both and cancels, so that they are not taken for random effects.
        """
        deletions = self.deletions(statistics, seed, by_kind=not of_differences)
        composition = self.composition()
        if of_differences:
            composition = replace(composition, counts=None)
        return [
            deletions.uncertainty(index, composition)
            for index in range(deletions.identities.shape[1])
        ]


def _pair_groups(of_kind: BoolArray, generator: np.random.Generator) -> Iterator[BoolArray]:
    """Random groups of the pairs of a kind, bool [P] each."""
    pairs = generator.permutation(np.flatnonzero(of_kind))
    for start in range(min(PAIR_GROUPS, len(pairs))):
        group = np.zeros(len(of_kind), np.bool_)
        group[pairs[start::PAIR_GROUPS]] = True
        yield group
