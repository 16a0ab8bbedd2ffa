"""Embeddings of a trained network on disk, so that a second evaluation runs no network."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from facesim.arrays import Int64Array
from facesim.data.image_digests import TableDigests
from facesim.model.cache_admin import StoreDescription, stores_root
from facesim.model.feature_store import FeatureStore
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_key import Fingerprint, TrunkRecipe


class EmbeddingCache:
    """The embeddings of a table's images by one network with the weights that it has now.

    They are found by the image's content in a store whose key changes with anything else that they
    depend on: weights, code, preprocessing, number types, the trunk's engine. The stores lie beside
    those of the trunk cache, and `facesim cache` lists and prunes both. Not for a network under
    training, whose weights change from use to use.

    Args:
        network: trained.
        images: the table's.
        recipe: how they become the trunk's output.
        name: of the network, for `facesim cache list`.

    Raises:
        DataError: an image file cannot be read.
    """

    def __init__(
        self,
        network: SiameseNetwork,
        images: TableDigests,
        recipe: TrunkRecipe,
        name: str,
    ) -> None:
        # Without the loss: it compares embeddings and makes none.
        modules = nn.ModuleList([network.backbone, network.head])
        key = Fingerprint.of(modules).key(recipe, network.engine.versions)
        shape = (network.embedding_dim,)
        self.store = FeatureStore(stores_root() / key, shape, np.float32)
        self.store.remove_leftovers()
        kept = replace(recipe, dtype="float32")
        about = StoreDescription.of(f"{name}, embeddings", shape, kept, network.engine.name)
        about.mark_used(self.store.folder)
        self._images = images
        self._keys = images.keys()
        self._rows = np.empty(0, np.int64)
        self._embeddings = np.empty((0, *shape), np.float32)

    def incomplete(self, rows: Int64Array, batch_size: int) -> Int64Array:
        """The rows of all batches in which an embedding is missing.

        Of whole batches, because the last bit of an embedding may depend on the size of its batch:
        so it is the same whether or not an earlier evaluation was interrupted.

        Args:
            rows: int64 [N], of the table.
            batch_size: how they are cut into batches.
        """
        self.store.refresh()
        absent = self.store.locate(self._keys[rows]) < 0
        batch = np.arange(len(rows)) // batch_size
        return rows[np.isin(batch, batch[absent])]

    def keep(self, rows: Int64Array, embeddings: Tensor) -> None:
        """Add embeddings float32 [B, D] of some rows; they are on disk after :meth:`flush`.

        One that is there stays: in a batch of other images its last bit may differ, and what was
        measured with it would not repeat itself.

        Raises:
            DataError: an image has changed since its digest was computed.
            StoreUnwritableError: the disk is full or cannot be written.
        """
        absent = self.store.locate(self._keys[rows]) < 0
        self._rows = np.concatenate([self._rows, rows[absent]])
        self._embeddings = np.concatenate([self._embeddings, embeddings.numpy()[absent]])
        while len(self._rows) >= self.store.rows_per_chunk:
            self._append(self.store.rows_per_chunk)

    def flush(self) -> None:
        """Write what was added and is not on disk yet."""
        if len(self._rows):
            self._append(len(self._rows))

    def read(self, rows: Int64Array) -> Tensor:
        """Embeddings float32 [N, D].

        Raises:
            MissingFeaturesError: some are missing, or were removed.
        """
        return torch.from_numpy(self.store.read(self.store.locate(self._keys[rows])))

    def _append(self, count: int) -> None:
        rows, self._rows = np.split(self._rows, [count])
        embeddings, self._embeddings = np.split(self._embeddings, [count])
        for row in rows.tolist():
            self._images.require_unchanged(
                row, "it has changed while it was evaluated; evaluate again"
            )
        self.store.append(self._keys[rows], embeddings)
