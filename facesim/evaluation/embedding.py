"""From a network and the images of a table to one embedding an image."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


def embed_rows(
    network: SiameseNetwork,
    inputs: Inputs,
    rows: Int64Array,
    *,
    batch_size: int,
    processes: Processes,
    title: str,
    cache: EmbeddingCache | None = None,
) -> Tensor:
    """Embed some rows of a table, each once.

    Args:
        network: left in the mode in which it came.
        inputs: the table's images.
        rows: int64 [N], none twice.
        batch_size: images embedded at a time.
        processes: show the progress under ``title``.
        title: what is being embedded.
        cache: keeps what is computed, and has what was computed before; None computes everything.

    Returns:
        float32 [N, D] on the CPU, so that the accelerator never holds more than a batch.
    """

    def compute(some: Int64Array) -> Iterator[Tensor]:
        return _compute(network, inputs, some, batch_size, processes, title)

    if cache is None:
        return _gathered(compute(rows), len(rows), network.embedding_dim)
    for _ in range(_ATTEMPTS):
        _fill(cache, cache.incomplete(rows, batch_size), compute)
        try:
            return cache.read(rows)
        except MissingFeaturesError:  # damaged on disk, or removed in between
            continue
    raise FacesimError(
        f"{cache.store.folder}: embeddings are not there any more as soon as they were written; "
        "check the disk, and whether something else removes files there"
    )


def _gathered(batches: Iterator[Tensor], rows: int, dim: int) -> Tensor:
    embeddings, done = torch.empty(rows, dim), 0
    for batch in batches:
        embeddings[done : done + len(batch)] = batch
        done += len(batch)
    return embeddings


def _fill(
    cache: EmbeddingCache, rows: Int64Array, compute: Callable[[Int64Array], Iterator[Tensor]]
) -> None:
    if not len(rows):
        return
    done = 0
    for embeddings in compute(rows):
        cache.keep(rows[done : done + len(embeddings)], embeddings)
        done += len(embeddings)
    cache.flush()


def _compute(
    network: SiameseNetwork,
    inputs: Inputs,
    rows: Int64Array,
    batch_size: int,
    processes: Processes,
    title: str,
) -> Iterator[Tensor]:
    """The embeddings batch by batch, float32 [B, D] each."""
    with evaluating(network):
        inputs.warm(rows, processes, training=False)
        with processes.reporter.task(title, len(rows)) as advance:
            for batch in inputs.rows(rows, batch_size):
                with torch.inference_mode():
                    embeddings = inputs.embed(network, batch.to(network.device, non_blocking=True))
                    on_cpu = embeddings.float().cpu()
                yield on_cpu
                advance(len(on_cpu))


@contextmanager
def evaluating(network: SiameseNetwork) -> Iterator[None]:
    """Put a network into the mode of evaluation, and back into the one in which it was."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
