"""Samplers: the training pairs of each epoch, batch by batch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.interfaces.tables import FaceTable


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


class Sampler(ABC):
    """Draws the pairs of each epoch: a pure function of ``(seed, epoch)``."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, the same ones however often it is asked."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of batches in an epoch."""


class TableSampler(Sampler):
    """A sampler that needs more of the training table than the identities."""

    @abstractmethod
    def read_table(self, table: FaceTable) -> None:
        """Take in the table, once, before anything else; may raise FacesimError."""


class MiningSampler(Sampler):
    """A sampler that chooses pairs by what the network has learned so far.

    At the start of every epoch but the first the engine embeds all training images by the network
    as it then is, and calls :meth:`mine`. The batches of an epoch are a pure function of ``(seed,
    epoch)`` and what was mined last; what was mined travels in the checkpoint, so that a run that
    is resumed in the middle of an epoch goes on with the same batches.
    """

    @abstractmethod
    def mine(self, embeddings: Tensor, epoch: int) -> None:
        """Choose by embeddings float32 [N, D], on the CPU, what the epoch is made of.

        The outcome depends on the seed, the epoch and the embeddings alone: not on what was mined
        before.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """What was mined last; empty before the first time."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to what :meth:`state_dict` gave."""


def as_sampler(built: Any) -> Any:
    """Register the class of an object that has the methods of a sampler, but not the base class.

    Version 1 of the interface asks for the methods alone.
    """
    for base in (Sampler, TableSampler, MiningSampler):
        methods = base.__abstractmethods__
        if not isinstance(built, base) and all(hasattr(type(built), it) for it in methods):
            base.register(type(built))
    return built
