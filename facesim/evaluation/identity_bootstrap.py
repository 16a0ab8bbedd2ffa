"""The bootstrap over identities: pairs that share a person are not independent."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.interfaces.scores import LabelledScores


@dataclass(frozen=True, eq=False)
class IdentityBootstrap:
    """The identities of P pairs, and resamples of these identities.

    A resample draws as many identities as there are, with replacement. A genuine pair then counts
    as often as its identity was drawn, an impostor pair the product of how often its two were, as
    if the pairs of the drawn people had been compared. Resamples are drawn one at a time, so
    memory stays O(P) however many there are.
    Owen, "The pigeonhole bootstrap", 2007; Bolle et al., "Error analysis of pattern recognition
    systems: the subsets bootstrap", 2004.

    Attributes:
        first: int64 [P], the identity of each pair's first image, counted from 0.
        second: int64 [P], that of its second image; ``identities`` for a genuine pair.
        identities: the number of distinct identities I in the pairs.
    """

    first: Int64Array
    second: Int64Array
    identities: int

    @classmethod
    def of(cls, scored: LabelledScores) -> "IdentityBootstrap":
        """Number the identities of P pairs from 0; any integers may name them."""
        both = np.concatenate([scored.first, scored.second])
        distinct, codes = np.unique(both, return_inverse=True)
        first, second = codes.reshape(2, -1).astype(np.int64)
        return cls(first, np.where(scored.same, len(distinct), second), len(distinct))

    def weights(self, seed: int, resamples: int) -> Iterator[Int64Array]:
        """The weight of each pair, int64 [P], per resample; a function of the seed."""
        generator = np.random.default_rng(seed)
        for _ in range(resamples):
            drawn = generator.integers(self.identities, size=self.identities)
            # The last entry stands for the missing second identity of genuine pairs.
            times = np.append(np.bincount(drawn, minlength=self.identities), 1)
            yield times[self.first] * times[self.second]

    def values(
        self,
        statistics: Callable[[Int64Array], Sequence[float] | FloatArray],
        *,
        seed: int,
        resamples: int,
    ) -> FloatArray:
        """Statistics of each resample, float64 [resamples, K].

        Args:
            statistics: weights int64 [P] -> K numbers, ``nan`` where one does not exist.
            seed: of the resamples; two runs on the same pairs get the same ones.
            resamples: how many.
        """
        return np.array([statistics(weights) for weights in self.weights(seed, resamples)])

    @property
    def effective_identities(self) -> float:
        """The number of equally frequent identities with as much information as these.

        Kish's ``(sum n)^2 / sum n^2`` over the pairs n of each identity: of the genuine pairs, or
        half of that of the impostor pairs, whichever is less. Half, since an identity moves the
        rate of impostor pairs from both sides of a pair; without it the intervals of ten to twenty
        unequal identities are too narrow. A kind without pairs does not
        count. Kish, "Survey sampling", 1965.
        """
        genuine = self.second == self.identities
        sides = (self.first[genuine], np.append(self.first[~genuine], self.second[~genuine]))
        numbers = [
            np.square(counts.sum()) / np.square(counts).sum() / divisor
            for counts, divisor in zip(map(np.bincount, sides), (1.0, 2.0), strict=True)
            if counts.size
        ]
        return float(min(numbers, default=0.0))
