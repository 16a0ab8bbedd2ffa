"""The jackknife over identities: metrics without each of them in turn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.intervals import LEVEL
from facesim.evaluation.uncertainty import Composition, Deletions, Uncertainty
from facesim.interfaces.roc_block import PairWeights, rows_of_block
from facesim.interfaces.scores import LabelledScores

INTERVAL_NAME = f"identity_jackknife_{LEVEL * 100:.0f}"
"""The name of these intervals in ``metrics.json``."""

MOST_GROUPS = 200
"""More identities than these are deleted in as many random groups."""

PAIR_GROUPS = 60
"""Groups in which the pairs of a kind are deleted, to see their variance as independent pairs."""

Statistics = Callable[[PairWeights], FloatArray]
"""B ways to weight the P pairs -> K numbers for each, float64 [B, K]; ``nan`` where one does not
exist."""


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
        codes, identities = _numbered(both)
        first, second = codes.reshape(2, -1)
        return cls(first, np.where(scored.same, identities, second), identities)

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
        # The last entry stands for the missing second identity of genuine pairs.
        groups = np.append(self.groups, -1).astype(np.int16)
        first, second = groups[self.first], groups[self.second]
        genuine = self.second == self.identities
        numbers = _pair_groups(genuine, np.random.default_rng(seed))
        people = int(groups.max()) + 1
        blocks: list[list[FloatArray]] = []
        most = rows_of_block(len(genuine)) - 1
        for start in range(0, people + PAIR_GROUPS, most):
            left_out = np.arange(start, min(start + most, people + PAIR_GROUPS))
            group = left_out[left_out < people][:, None]
            pair_group = left_out[left_out >= people][:, None] - people
            distinct = np.ones((len(left_out) + 1, len(genuine)), np.uint8)
            distinct[1 : len(group) + 1] = (first != group) & (second != group)
            distinct[len(group) + 1 :] = numbers != pair_group
            rows = np.arange(1, len(distinct))
            both, alone = rows[: len(group)], rows[0 if by_kind else len(group) :]
            # Row 0 has all pairs.
            other, whole = np.zeros_like(alone), np.zeros(1, np.int64)
            of_genuine = np.concatenate([both, alone, other, whole])
            of_impostor = np.concatenate([both, other, alone, whole])
            values = statistics(PairWeights(distinct, of_genuine, of_impostor))
            ends = np.cumsum([len(both), len(alone), len(alone)])
            blocks.append(np.split(values, ends))
        identities, without_genuine, without_impostor, _ = (
            np.concatenate(part) for part in zip(*blocks, strict=True)
        )
        by_kind_to = people if by_kind else 0
        # Of fewer pairs than groups each is a group.
        genuine_to = by_kind_to + min(int(np.count_nonzero(genuine)), PAIR_GROUPS)
        impostor_to = by_kind_to + min(int(np.count_nonzero(~genuine)), PAIR_GROUPS)
        return Deletions(
            identities,
            (without_genuine[:by_kind_to], without_impostor[:by_kind_to]),
            (without_genuine[by_kind_to:genuine_to], without_impostor[by_kind_to:impostor_to]),
            blocks[0][-1],
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
        return deletions.uncertainties(composition)


def _numbered(names: Int64Array) -> tuple[Int64Array, int]:
    """Integers by their rank among the distinct ones, and how many those are."""
    lowest, highest = int(names.min(initial=0)), int(names.max(initial=0))
    if highest - lowest < 4 * len(names) + 1000:
        # Sorting takes longer than looking up.
        present = np.zeros(highest - lowest + 1, np.bool_)
        present[names - lowest] = True
        return (np.cumsum(present, dtype=np.int64) - 1)[names - lowest], int(present.sum())
    distinct, codes = np.unique(names, return_inverse=True)
    return codes.astype(np.int64), len(distinct)


def _pair_groups(genuine: BoolArray, generator: np.random.Generator) -> npt.NDArray[np.int16]:
    """The number of each pair's random group of its kind, int16 [P]."""
    numbers = np.empty(len(genuine), np.int16)
    for kind in (genuine, ~genuine):
        pairs = generator.permutation(np.flatnonzero(kind))
        numbers[pairs] = np.arange(len(pairs)) % PAIR_GROUPS
    return numbers
