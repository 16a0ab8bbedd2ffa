"""The processes that carry out a run together."""

from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor

from facesim.reporters import Reporter, SilentReporter

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """One process that works alone; the interface for several that work on one run together.

    Every process calls the collective methods (:meth:`barrier`, :meth:`gather`,
    :meth:`broadcast`) in the same order. Files are written by the main process only.

    Attributes:
        reporter: shows progress, and stops the work by :class:`~facesim.training.stop.Stopped`
            where it was made to; silent by default, as in searches, notebooks and tests.
    """

    reporter: Reporter = field(default_factory=SilentReporter)

    @property
    def rank(self) -> int:
        """The number of this process, from 0 to ``size - 1``."""
        return 0

    @property
    def size(self) -> int:
        """How many processes there are."""
        return 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and talks to the user."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until every process has come here."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors that all processes passed, in rank order, on every process."""
        return [tensor]

    def broadcast(self, value: T) -> T:
        """The value that the main process passed, on every process."""
        return value
