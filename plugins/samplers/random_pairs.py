"""Random genuine and impostor pairs of the whole table."""

import math
from collections.abc import Iterator

import numpy as np

from facesim import Int64Array, PairBatch, PairSpace, Sampler, samplers
from facesim_plugins.samplers._parameters import PairsPerImage, SameFraction


@samplers("random_pairs")
class RandomPairs(Sampler):
    """Pairs drawn again in each epoch, uniformly over all genuine and all impostor pairs.

    They are drawn without replacement while any of their class are left. An identity with one
    image is in impostor pairs only. An epoch takes eight bytes per pair.

    Args:
        identities: int64 [N], the identity of every row of the table.
        batch_size: pairs per batch; the last batch of an epoch may hold fewer.
        seed: together with the epoch it decides every pair.
        pairs_per_image: pairs in an epoch, as a multiple of the images.
        same_fraction: share of genuine pairs.

    Raises:
        FacesimError: no pair is requested, or pairs of a class that the table has none of.
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        pairs_per_image: PairsPerImage,
        same_fraction: SameFraction = 0.5,
    ) -> None:
        self._identities = identities
        self._batch_size = batch_size
        self._seed = seed
        self._space = PairSpace.of(identities)
        self._genuine, self._impostor = self._space.count(pairs_per_image, same_fraction)
        self._space.require(self._genuine, self._impostor)

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, generated lazily."""
        generator = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(epoch,)))
        numbers = self._space.draw(self._genuine, self._impostor, generator)
        for start in range(0, len(numbers), self._batch_size):
            rows = self._space.rows(numbers[start : start + self._batch_size])
            yield PairBatch.of_pairs(rows, self._identities)

    def __len__(self) -> int:
        return math.ceil((self._genuine + self._impostor) / self._batch_size)
