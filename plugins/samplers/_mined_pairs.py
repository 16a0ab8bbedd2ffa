"""Base class of samplers that mine hard pairs by the network's embeddings."""

import math
from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facesim import FacesimError, Int64Array, MiningSampler, PairBatch, PairSpace
from facesim_plugins.samplers._mined_partners import farthest_genuine, nearest_impostors
from facesim_plugins.samplers._parameters import By, PairsPerImage, Pool, SameFraction


class MinedPairs(MiningSampler):
    """Random pairs until pairs were mined; from then on a share of mined ones.

    A mined pair is a randomly drawn image with the partner that mining chose for it: its nearest
    impostor in a random pool, or the farthest image of its identity. Images are drawn without
    replacement while any are left. Mined pairs take sixteen bytes per image.
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        pairs_per_image: PairsPerImage,
        same_fraction: SameFraction = 0.5,
        pool: Pool = 100,
        by: By = "euclidean",
    ) -> None:
        self._identities = identities
        self._batch_size = batch_size
        self._seed = seed
        self._pool = pool
        self._by = by
        self._space = PairSpace.of(identities)
        self._genuine, self._impostor = self._space.count(pairs_per_image, same_fraction)
        self._space.require(self._genuine, self._impostor)
        self._partners: dict[str, Int64Array] = {}

    @abstractmethod
    def hard_share(self, epoch: int) -> float:
        """The share of mined pairs, from 0 to 1."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, generated lazily."""
        rows = self._rows(self._generator(epoch), self.hard_share(epoch) if self._partners else 0)
        for start in range(0, len(rows), self._batch_size):
            yield PairBatch.of_pairs(rows[start : start + self._batch_size], self._identities)

    def __len__(self) -> int:
        return math.ceil((self._genuine + self._impostor) / self._batch_size)

    def mine(self, embeddings: Tensor, epoch: int) -> None:
        """Choose every image's partners by embeddings float32 [N, D]."""
        generator = self._generator(epoch, 1)
        if self._by == "cosine":
            embeddings = functional.normalize(embeddings)
        self._partners = {
            "genuine": farthest_genuine(embeddings, self._space, self._pool, generator),
            "impostor": nearest_impostors(embeddings, self._space, self._pool, generator)
            if self._space.impostor
            else np.full(len(embeddings), -1),
        }

    def state_dict(self) -> dict[str, Tensor]:
        """The partners of each image, int64 [N] per class of pairs; empty before any were mined."""
        return {name: torch.from_numpy(rows) for name, rows in self._partners.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore mined partners; raises FacesimError if they are of another table."""
        if any(len(rows) != len(self._identities) for rows in state.values()):
            raise FacesimError("the checkpoint's mined pairs are of another training table")
        self._partners = {name: rows.numpy() for name, rows in state.items()}

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))

    def _rows(self, generator: np.random.Generator, share: float) -> Int64Array:
        """Pairs of rows [P, 2] of both classes, mined and random, shuffled together."""
        hard = {"genuine": round(share * self._genuine), "impostor": round(share * self._impostor)}
        numbers = self._space.draw(
            self._genuine - hard["genuine"],
            self._impostor - hard["impostor"],
            generator,
        )
        if not any(hard.values()):
            return self._space.rows(numbers)
        mined = [self._mined(name, count, generator) for name, count in hard.items()]
        return generator.permutation(np.concatenate([self._space.rows(numbers), *mined]))

    def _mined(self, name: str, count: int, generator: np.random.Generator) -> Int64Array:
        anchors = np.flatnonzero(self._partners[name] >= 0)
        rounds = math.ceil(count / max(len(anchors), 1))
        drawn = [generator.permutation(anchors) for _ in range(rounds)]
        rows = np.concatenate([np.empty(0, np.int64), *drawn])[:count]
        return np.stack([rows, self._partners[name][rows]], axis=1)
