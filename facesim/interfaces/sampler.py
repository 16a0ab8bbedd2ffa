"""Samplers: the training pairs of each epoch."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor

from facesim.interfaces.pair_batch import PairBatch
from facesim.interfaces.tables import FaceTable


@runtime_checkable
class Sampler(Protocol):
    """Draws the pairs of each epoch: a pure function of ``(seed, epoch)``."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, the same ones however often it is asked."""
        ...

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        ...


@runtime_checkable
class TableSampler(Sampler, Protocol):
    """A sampler that needs more of the training table than the identities."""

    def read_table(self, table: FaceTable) -> None:
        """Hear of the table, once, before anything else; may raise FacesimError."""
        ...


@runtime_checkable
class MiningSampler(Sampler, Protocol):
    """A sampler that chooses pairs by what the network has learned so far.

    At the start of every epoch but the first the engine embeds all training images by the network
    as it then is, and calls :meth:`mine`. The batches of an epoch are a pure function of ``(seed,
    epoch)`` and what was mined last; what was mined travels in the checkpoint, so that a run that
    is resumed in the middle of an epoch goes on with the same batches.
    """

    def mine(self, embeddings: Tensor, epoch: int) -> None:
        """Choose by embeddings float32 [N, D], on the CPU, what the epoch is made of.

        The outcome depends on the seed, the epoch and the embeddings alone: not on what was mined
        before.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What was mined last; empty before the first time."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to what :meth:`state_dict` gave."""
        ...
