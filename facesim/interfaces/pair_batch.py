"""The training batch: images, each once, and the pairs among them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array


@dataclass(frozen=True)
class PairBatch:
    """What flows through training: some images, each once, and the pairs among them.

    Attributes:
        images: int64 [B], rows of the table, no row twice.
        identities: int64 [B], the identity of each image.
        pairs: int64 [P, 2], positions in ``images``; the two of a pair differ.
        same: bool [P], True where the two images show one identity (genuine).
    """

    images: Tensor
    identities: Tensor
    pairs: Tensor
    same: Tensor

    @classmethod
    def of_pairs(cls, rows: Int64Array, identities: Int64Array) -> "PairBatch":
        """Gather pairs of table rows into a batch that holds each image once.

        Args:
            rows: int64 [P, 2], rows of the table.
            identities: int64 [N], the identity of every row of the table.
        """
        images, positions = np.unique(rows, return_inverse=True)
        pairs = positions.reshape(rows.shape).astype(np.int64)
        of_images = identities[images]
        same = of_images[pairs[:, 0]] == of_images[pairs[:, 1]]
        arrays = (images, of_images, pairs, same)
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))

    def gather(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [B, D] of the images -> [P, D] and [P, D], those of either side of the pairs.

        On several CPU threads ``embeddings[pairs]`` sums its gradient in an order that changes
        from call to call; this one repeats bit for bit.
        """
        first, second = self.pairs.unbind(1)
        return embeddings.index_select(0, first), embeddings.index_select(0, second)

    def to(self, device: torch.device) -> "PairBatch":
        """The same batch on another device."""
        tensors = (self.images, self.identities, self.pairs, self.same)
        return PairBatch(*(tensor.to(device, non_blocking=True) for tensor in tensors))
