"""The interface of a process group, and the group of a single process."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from facesim.reporters import Reporter, SilentReporter

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """A process group: rank, size and collective operations; this base class is a group of one.

    The main process decides what is done, writes files and talks to the user. It calls
    :meth:`request` before work that is shared, and the others then do their share of it; all
    processes call the collective methods (:meth:`gather`, :meth:`sum`, :meth:`broadcast`) in the
    same order.

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

    @property
    def requested_stop(self) -> int | None:
        """The signal by which a process was asked to stop; None if none was."""
        return None

    def request_stop(self, signal_number: int) -> None:
        """Tell the other processes that this one was asked to stop; there are none here."""

    def require_alive(self) -> None:
        """Raise if another process has failed: for long work between the collective methods."""

    def request(self, name: str, **values: Any) -> None:
        """Let the other processes take part in some work; there are none here."""

    def next_request(self) -> tuple[str, dict[str, Any]]:
        """What the main process requests next; here its end, because nobody requests anything."""
        return "end", {}

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors that all processes passed, in rank order, on every process.

        They are of one shape and dtype.
        """
        return [tensor]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in an order that is not fixed; its argument may change."""
        return tensor

    def broadcast(self, value: T) -> T:
        """The main process's value, of tensors and plain data, on every process."""
        return value
