"""Several processes that carry out one run together, connected by ``torch.distributed``."""

import io
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]

from facesim.connections import Connections, finish
from facesim.errors import FacesimError
from facesim.heartbeats import Heartbeats
from facesim.processes import Processes
from facesim.rendezvous import meet_members, shared_store
from facesim.reporters import CheckedReporter, Reporter, SilentReporter

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup(Processes):
    """This process among several that work on one run.

    The main process decides what is done, and the others do their share of it: it calls
    :meth:`request` and then the function that they call as well, when :meth:`next_request` has
    told them.

    Attributes:
        heartbeats: of this process and the others.
        connections: by which tensors are exchanged.
    """

    heartbeats: Heartbeats = field(kw_only=True)
    connections: Connections = field(kw_only=True)

    @property
    def rank(self) -> int:
        """The number of this process, from 0 to ``size - 1``."""
        return dist.get_rank()

    @property
    def size(self) -> int:
        """How many processes there are."""
        return dist.get_world_size()

    @property
    def requested_stop(self) -> int | None:
        """The signal by which a process was asked to stop; None if none was."""
        return self.heartbeats.requested_stop

    def request_stop(self, signal_number: int) -> None:
        """Tell the other processes that this one was asked to stop."""
        self.heartbeats.request_stop(signal_number)

    def require_alive(self) -> None:
        """Raise GroupFailedError if another process failed, died or hangs."""
        self.heartbeats.require_alive()

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors that all processes passed, in rank order; of one shape and dtype."""
        tensor = tensor.contiguous()
        gathered = [torch.empty_like(tensor) for _ in range(self.size)]
        by = self.connections.of(tensor)
        self._complete(tensor, lambda: dist.all_gather(gathered, tensor, by, async_op=True))
        return gathered

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in an order that torch chooses; changes its argument."""
        by = self.connections.of(tensor)
        self._complete(tensor, lambda: dist.all_reduce(tensor, group=by, async_op=True))
        return tensor

    def broadcast(self, value: T) -> T:
        """The main process's value, of tensors and plain data, on every process."""
        buffer = io.BytesIO()
        if self.is_main:
            torch.save(value, buffer)
        size = torch.tensor([buffer.tell()])
        self._complete(size, lambda: dist.broadcast(size, 0, async_op=True))
        content = torch.empty(int(size), dtype=torch.uint8)
        if self.is_main:
            content = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
        self._complete(content, lambda: dist.broadcast(content, 0, async_op=True))
        if self.is_main:
            return value
        # Onto the CPU: a tensor of the main process's device may have no such device here.
        sent = io.BytesIO(content.numpy().tobytes())
        received: T = torch.load(sent, map_location="cpu", weights_only=True)
        return received

    def request(self, name: str, **values: Any) -> None:
        """Let the other processes do something: they get it from :meth:`next_request`."""
        self.broadcast((name, values))

    def next_request(self) -> tuple[str, dict[str, Any]]:
        """Wait until the main process requests something; for the other processes."""
        return self.broadcast(("", {}))

    def _complete(self, tensor: Tensor, start: Callable[[], Any]) -> None:
        """Carry out a collective operation, watching the others' heartbeats.

        Raises:
            GroupFailedError: another process failed, died or hangs, or what launched them is gone.
        """
        self.heartbeats.require_no_failure()
        try:
            finish(start(), self.heartbeats, waits=not tensor.is_cuda)
        except RuntimeError as error:
            raise self.heartbeats.find_out(error) from error


@contextmanager
def joined(reporter: Reporter) -> Iterator[ProcessGroup]:
    """Join the group that ``torchrun`` describes in the environment.

    Args:
        reporter: of the main process; the others are silent.

    Raises:
        FacesimError: the others cannot be reached.
        GroupFailedError: another process failed.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        store, members = meet_members(shared_store())
        hosts = tuple(member.host for member in members)
        os.environ.setdefault("LOCAL_RANK", str(hosts[:rank].count(hosts[rank])))
        # Before torch connects them, so that one which dies meanwhile is noticed.
        heartbeats = Heartbeats(PrefixStore("heartbeats", store.clone()), rank, hosts)
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise FacesimError(
            f"process {rank} of {size} on {socket.gethostname()} cannot join the others by "
            f"{address}: {str(error).splitlines()[0]}; `facesim doctor` says which interface is "
            "used"
        ) from error
    try:
        connections = Connections(PrefixStore("torch", store), rank, members, heartbeats)
        shown = (
            CheckedReporter(reporter, heartbeats.require_alive) if rank == 0 else SilentReporter()
        )
        group = ProcessGroup(shown, heartbeats=heartbeats, connections=connections)
        try:
            with _handed_on_signals(group):
                yield group
        except BaseException:
            connections.abort()
            raise
    finally:
        heartbeats.close()
    dist.destroy_process_group()


@contextmanager
def _handed_on_signals(group: ProcessGroup) -> Iterator[None]:
    """The main process handles signals itself; the others hand them to it, and go on."""
    if group.is_main:
        yield
        return

    def hand_on(number: int, _frame: object) -> None:
        group.request_stop(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
