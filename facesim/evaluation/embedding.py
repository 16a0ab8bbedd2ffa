"""Embedding the images of a table: one embedding per image, each image once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.errors import FacesimError
from facesim.model.embedding_cache import EmbeddingCache
from facesim.model.feature_store import MissingFeaturesError
from facesim.model.inputs import Inputs
from facesim.model.network import SiameseNetwork
from facesim.processes import Processes

_ATTEMPTS = 3


@dataclass(frozen=True)
class Embedder:
    """Embeds images of one table in evaluation mode.

    Attributes:
        network: its mode is restored.
        inputs: the table's images.
        batch_size: images embedded at a time.
        processes: show the progress.
        title: of the progress.
        cache: of embeddings; None computes all of them.
    """

    network: SiameseNetwork
    inputs: Inputs
    batch_size: int
    processes: Processes
    title: str = "embedding"
    cache: EmbeddingCache | None = None

    def embed(self, rows: Int64Array) -> Tensor:
        """Embed some rows of the table.

        Args:
            rows: int64 [N], distinct.

        Returns:
            float32 [N, D] on the CPU, so that the accelerator never holds more than a batch.

        Raises:
            DataError: an image cannot be used.
            FacesimError: the cache cannot be written.
        """
        if self.cache is None:
            embeddings, done = torch.empty(len(rows), self.network.embedding_dim), 0
            for batch in self._compute(rows):
                embeddings[done : done + len(batch)] = batch
                done += len(batch)
            return embeddings
        for _ in range(_ATTEMPTS):
            self._fill(self.cache, self.cache.incomplete(rows, self.batch_size))
            try:
                return self.cache.read(rows)
            except MissingFeaturesError:  # damaged on disk, or removed in between
                continue
        raise FacesimError(
            f"{self.cache.store.folder}: embeddings are missing right after they were written; "
            "check the disk, and whether something else removes files there"
        )

    def _fill(self, cache: EmbeddingCache, rows: Int64Array) -> None:
        if not len(rows):
            return
        done = 0
        for embeddings in self._compute(rows):
            cache.keep(rows[done : done + len(embeddings)], embeddings)
            done += len(embeddings)
        cache.flush()

    def _compute(self, rows: Int64Array) -> Iterator[Tensor]:
        """The embeddings batch by batch, float32 [B, D] each, on the CPU."""
        network, processes = self.network, self.processes
        with evaluating(network):
            self.inputs.warm(rows, processes, training=False)
            with processes.reporter.task(self.title, len(rows)) as advance:
                for batch in self.inputs.rows(rows, self.batch_size):
                    with torch.inference_mode():
                        embeddings, _ = network(batch.to(network.device))
                        on_cpu = embeddings.cpu()
                    yield on_cpu
                    advance(len(on_cpu))


@contextmanager
def evaluating(network: SiameseNetwork) -> Iterator[None]:
    """Evaluation mode inside the block; the previous mode is restored."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
