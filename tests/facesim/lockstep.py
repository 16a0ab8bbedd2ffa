"""Several processes of a run, as threads of this one that take turns."""

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from facesim.processes import Processes

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds after which a process that waits for the others fails."""


class _Meeting:
    """Where the processes hand each other what they have; one of them runs at a time.

    So they may share what is global in a process, such as torch's generator.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.turn = threading.Lock()
        self.stop_requested: int | None = None
        self._barrier = threading.Barrier(size)
        self._handed: list[tuple[str, Any]] = [("", None)] * size

    def exchange(self, rank: int, operation: str, value: Any) -> list[Any]:
        """What all processes hand in, in rank order; raises if they call different operations."""
        self._handed[rank] = operation, value
        self.turn.release()
        try:
            self._barrier.wait(_PATIENCE)
            handed = list(self._handed)
            self._barrier.wait(_PATIENCE)
        finally:
            self.turn.acquire()
        operations = [name for name, _ in handed]
        assert len(set(operations)) == 1, f"the processes call {operations}"
        return [each for _, each in handed]

    def leave(self) -> None:
        """Let the others fail instead of waiting for this process."""
        self._barrier.abort()


@dataclass(frozen=True)
class Lockstep(Processes):
    """One of several processes that are threads; the promises are those of `ProcessGroup`."""

    number: int = field(kw_only=True)
    meeting: _Meeting = field(kw_only=True)

    @property
    def rank(self) -> int:
        return self.number

    @property
    def size(self) -> int:
        return self.meeting.size

    @property
    def requested_stop(self) -> int | None:
        return self.meeting.stop_requested

    def request_stop(self, signal_number: int) -> None:
        self.meeting.stop_requested = signal_number

    def gather(self, tensor: Tensor) -> list[Tensor]:
        operation = f"gather {tensor.dtype} {list(tensor.shape)}"
        found = self.meeting.exchange(self.rank, operation, tensor.detach())
        return [each.clone() for each in found]

    def sum(self, tensor: Tensor) -> Tensor:
        operation = f"sum {tensor.dtype} {list(tensor.shape)}"
        first, *others = reversed(self.meeting.exchange(self.rank, operation, tensor.clone()))
        total: Tensor = sum(others, first)
        return total

    def broadcast(self, value: T) -> T:
        buffer = io.BytesIO()
        torch.save(value if self.is_main else None, buffer)
        sent = self.meeting.exchange(self.rank, "broadcast", buffer.getvalue())[0]
        received: T = torch.load(io.BytesIO(sent), weights_only=True)
        return value if self.is_main else received

    def request(self, name: str, **values: Any) -> None:
        self.broadcast((name, values))

    def next_request(self) -> tuple[str, dict[str, Any]]:
        """What the main process requests."""
        return self.broadcast(("", {}))


def in_lockstep(size: int, work: Callable[[Lockstep], T]) -> list[T]:
    """Let so many processes do something; returns what each returns, by rank.

    The main process is the calling thread, which may handle signals.

    Raises:
        BaseException: what the first process that failed raised.
    """
    meeting = _Meeting(size)
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def run(rank: int) -> None:
        with meeting.turn:
            try:
                results[rank] = work(Lockstep(number=rank, meeting=meeting))
            except BaseException as error:  # noqa: BLE001  raised below
                failures.append(error)
                meeting.leave()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(1, size)]
    for thread in threads:
        thread.start()
    run(0)
    for thread in threads:
        thread.join()
    causes = [each for each in failures if not isinstance(each, threading.BrokenBarrierError)]
    for error in [*causes, *failures]:
        raise error
    return [results[rank] for rank in range(size)]
