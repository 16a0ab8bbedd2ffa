"""Embedding the images of a table once each, and scoring pairs of them."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Float32Array, Int64Array
from facesim.console import warn_once
from facesim.errors import FacesimError
from facesim.interfaces import PairBatch, PairSet
from facesim.model.embedding_cache import EmbeddingCache
from facesim.model.feature_store import MissingFeaturesError, StoreUnwritableError
from facesim.model.inputs import Inputs
from facesim.model.network import SiameseNetwork, evaluating
from facesim.processes import Processes
from facesim.shared_failures import all_done

_ATTEMPTS = 3


@dataclass(frozen=True)
class SharedNames:
    """The names by which the other processes of a run know a network and a split of images.

    Attributes:
        system: ``training`` for the network under training, or the name of an evaluation's system.
        split: train, val or test.
    """

    system: str
    split: str


@dataclass(frozen=True)
class Embedder:
    """Embeds images of one table in evaluation mode.

    Attributes:
        network: its mode is restored.
        inputs: the table's images.
        batch_size: images embedded at a time.
        processes: share the work and show the progress.
        title: of the progress.
        cache: of embeddings; None computes all of them.
        shared_as: names by which other processes find the same; None embeds on this process alone.
    """

    network: SiameseNetwork
    inputs: Inputs
    batch_size: int
    processes: Processes
    title: str = "embedding"
    cache: EmbeddingCache | None = None
    shared_as: SharedNames | None = None

    def embed(self, rows: Int64Array) -> Tensor:
        """Embed some rows of the table.

        Args:
            rows: int64 [N], distinct.

        Returns:
            float32 [N, D] on the CPU, so that the accelerator never holds more than a batch.

        Raises:
            FacesimError: an image cannot be used, by this or another process, which is named.
        """
        if self.cache is not None:
            try:
                return self._embed_cached(rows, self.cache)
            except StoreUnwritableError as error:
                warn_once(f"{error}. Until then every evaluation computes all embeddings")
        embeddings, done = torch.empty(len(rows), self.network.embedding_dim), 0
        for batch in self._compute(rows):
            embeddings[done : done + len(batch)] = batch
            done += len(batch)
        return embeddings

    def _embed_cached(self, rows: Int64Array, cache: EmbeddingCache) -> Tensor:
        for _ in range(_ATTEMPTS):
            self._fill(cache, cache.incomplete(rows, self.batch_size))
            try:
                return cache.read(rows)
            except MissingFeaturesError:  # damaged on disk, or removed in between
                continue
        raise FacesimError(
            f"{cache.store.folder}: embeddings are missing right after they were written; "
            "check the disk, and whether something else removes files there"
        )

    def _fill(self, cache: EmbeddingCache, rows: Int64Array) -> None:
        if not len(rows):
            return
        done = 0
        # Closed where the cache cannot be written, before the other processes are asked again.
        with closing(self._compute(rows)) as computed:
            for embeddings in computed:
                cache.keep(rows[done : done + len(embeddings)], embeddings)
                done += len(embeddings)
        cache.flush()

    def _compute(self, rows: Int64Array) -> Generator[Tensor]:
        """The embeddings batch by batch, float32 [B, D] each, on the CPU."""
        processes = self.processes if self.shared_as else Processes(self.processes.reporter)
        shared: dict[str, Any] = {"rows": torch.from_numpy(rows)}
        if self.shared_as:
            shared |= {"system": self.shared_as.system, "split": self.shared_as.split}
            processes.request("warm", **shared, training=False)
        with evaluating(self.network):
            self.inputs.warm(rows, processes, training=False)
        if self.shared_as:
            processes.request("embed", **shared, batch_size=self.batch_size)
        embedded = embed_together(self.network, self.inputs, rows, self.batch_size, processes)
        with processes.reporter.task(self.title, len(rows)) as advance, closing(embedded):
            for embeddings in embedded:
                yield embeddings
                advance(len(embeddings))


def embed_together(
    network: SiameseNetwork, inputs: Inputs, rows: Int64Array, batch_size: int, processes: Processes
) -> Generator[Tensor]:
    """Embed rows in evaluation mode, batch after batch; processes take batches in turn.

    Batches are cut as one process alone would cut them, because the last bit of an embedding may
    depend on the size of its batch. The main process may close it at any batch.

    Args:
        network: its mode is restored.
        inputs: the table's images.
        rows: int64 [N], the same on every process.
        batch_size: images embedded at a time.
        processes: all of which call this function.

    Yields:
        float32 [B, D] of each batch, on the CPU of every process.

    Raises:
        FacesimError: an image cannot be used, by whichever process; all of them raise, in step.
        GroupFailedError: another process failed altogether.
    """
    cuts = range(0, len(rows), batch_size)
    own = [rows[begin : begin + batch_size] for begin in cuts[processes.rank :: processes.size]]
    ours = inputs.rows(np.concatenate(own), batch_size) if own else iter(())
    with evaluating(network):
        for first in range(0, len(cuts), processes.size):
            embedded = torch.zeros(min(batch_size, len(rows)), network.embedding_dim)
            failure = None
            try:
                for batch in islice(ours, 1):
                    with torch.inference_mode():
                        found, _ = network(batch.to(network.device))
                        embedded[: len(found)] = found.cpu()
            except FacesimError as error:
                failure = error
            if not all_done(processes, failure):
                return
            for begin, each in zip(cuts[first:], processes.gather(embedded), strict=False):
                try:
                    yield each[: len(rows) - begin]
                except GeneratorExit:
                    if first + processes.size < len(cuts):
                        all_done(processes, leaves=True)
                    raise
        for _ in ours:  # to its end, where it closes what it reads
            pass


_PAIRS_AT_A_TIME = 65_536
_PAIRS_PER_LOSS = 1_024
"""Some losses compare every image of a batch with every other."""


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs with the scores of a network.

    Attributes:
        pairs: rows of the table and labels.
        scores: float32 [P], higher is more alike.
        loss: mean training loss over the pairs; None for a loss that exists only for the
            identities that were trained on.
        embeddings: float32 [N, D], of the images in the pairs, each once.
    """

    pairs: PairSet
    scores: Float32Array
    loss: float | None
    embeddings: Float32Array


def score_pairs(embedder: Embedder, pairs: PairSet, identities: Int64Array) -> ScoredPairs:
    """Embed each image of the pairs once, then score every pair.

    Args:
        embedder: of the table that the pairs are of.
        pairs: which rows to compare.
        identities: int64 [N], of all rows of the table.
    """
    network = embedder.network
    rows, positions = np.unique(pairs.rows, return_inverse=True)
    positions = positions.reshape(pairs.rows.shape)
    embeddings = embedder.embed(rows)
    with evaluating(network), torch.inference_mode():
        scores = _scores(network, embeddings, positions)
        loss = _mean_loss(network, embeddings, positions, identities[rows])
    return ScoredPairs(pairs, scores, loss, embeddings.numpy())


def _scores(network: SiameseNetwork, embeddings: Tensor, positions: Int64Array) -> Float32Array:
    device = network.device
    scores = np.empty(len(positions), dtype=np.float32)
    for begin in range(0, len(positions), _PAIRS_AT_A_TIME):
        chunk = torch.from_numpy(positions[begin : begin + _PAIRS_AT_A_TIME])
        first, second = (embeddings[chunk[:, side]].to(device) for side in (0, 1))
        scores[begin : begin + len(chunk)] = network.loss.score(first, second).float().cpu().numpy()
    return scores


def _mean_loss(
    network: SiameseNetwork, embeddings: Tensor, positions: Int64Array, identities: Int64Array
) -> float | None:
    if network.loss.of_training_identities or not len(positions):
        return None
    device = network.device
    total = 0.0
    for begin in range(0, len(positions), _PAIRS_PER_LOSS):
        chunk = positions[begin : begin + _PAIRS_PER_LOSS]
        batch = PairBatch.of_pairs(chunk, identities)
        loss = network.loss(embeddings[batch.images].to(device), batch.to(device))
        total += float(loss) * len(chunk)
    return total / len(positions)
