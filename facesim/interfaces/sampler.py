"""Samplers: the training pairs of each epoch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from facesim.interfaces.pair_batch import PairBatch
from facesim.interfaces.tables import FaceTable


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
