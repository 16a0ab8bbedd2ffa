"""Several processes that carry out one run together, connected by ``torch.distributed``."""

import atexit
import io
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore  # type: ignore[attr-defined]

from facesim.errors import FacesimError
from facesim.heartbeats import BEAT_SECONDS, Heartbeats
from facesim.processes import Processes
from facesim.rendezvous import Member, meet_members, require_cuda, shared_store
from facesim.reporters import Advance, Reporter, SilentReporter

_NO_LIMIT = timedelta(days=365)
"""Of torch: heartbeats notice a process that hangs, and one that computes for hours does not."""

_CONNECTING_SECONDS = 300.0
"""In which all processes reach each other; a firewall may be in between."""

_POLL_SECONDS = 1e-4

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
    connections: "Connections" = field(kw_only=True)

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


def finish(work: Any, heartbeats: Heartbeats, *, waits: bool) -> None:
    """Wait until a collective operation has finished, as long as all processes are alive.

    Args:
        work: of torch.
        heartbeats: of the processes that take part.
        waits: whether ``work.wait(timeout)`` waits, and a timeout leaves it as it was. nccl's lets
            the device wait, or gives up the connection, so that it has to be asked.

    Raises:
        RuntimeError: it has failed.
        GroupFailedError: a process failed, died or hangs.
    """
    while not waits and not work.is_completed():
        heartbeats.require_alive()
        time.sleep(_POLL_SECONDS)
    while True:
        try:
            work.wait(timedelta(seconds=2 * BEAT_SECONDS))
        except RuntimeError as error:
            if work.is_completed() or "imed out" not in str(error):
                raise
            heartbeats.require_alive()
        else:
            return


class Connections:
    """The connections of a group: gloo between CPUs, nccl between CUDA devices.

    nccl is set up when the first tensor on a device is exchanged, which all processes do together;
    so a run on the CPU takes no memory of a device.

    Args:
        heartbeats: of all processes.
        members: all processes.
    """

    def __init__(self, heartbeats: Heartbeats, members: tuple[Member, ...]) -> None:
        self._heartbeats = heartbeats
        self._members = members
        self._nccl: dist.ProcessGroup | None = None

    def of(self, tensor: Tensor) -> dist.ProcessGroup | None:
        """What exchanges a tensor; None for gloo, which is torch's default group.

        Raises:
            FacesimError: other processes have no CUDA device.
            GroupFailedError: another process failed, died or hangs.
        """
        if not tensor.is_cuda:
            return None
        if self._nccl is None:
            require_cuda(self._members)
            # Torch's own watchdog would end this process before it can tell why.
            os.environ["TORCH_NCCL_ASYNC_ERROR_HANDLING"] = "0"
            self._nccl = connect(lambda: _nccl(tensor.device), self._heartbeats)
        return self._nccl


def connect(work: Callable[[], T], heartbeats: Heartbeats) -> T:
    """Set up connections on a thread, because that waits for all processes without a limit.

    Raises:
        GroupFailedError: a process failed, died or hangs, or they do not reach each other.
    """
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised below
            found.set_exception(error)

    Thread(target=run, name="facesim-connecting", daemon=True).start()
    deadline = time.monotonic() + _CONNECTING_SECONDS
    # Nothing ends torch on that thread, and where it returns while Python ends, it aborts.
    atexit.register(os._exit, 2)
    while not wait([found], BEAT_SECONDS).done:
        heartbeats.require_alive()
        if time.monotonic() > deadline:
            raise heartbeats.fail(
                f"does not reach all others within {_CONNECTING_SECONDS:.0f} seconds, though they "
                "live; `facesim doctor` says which interface is used"
            )
    atexit.unregister(os._exit)
    try:
        return found.result()
    except RuntimeError as error:
        raise heartbeats.find_out(error) from error


def _gloo(store: PrefixStore, rank: int, size: int) -> None:
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=_NO_LIMIT)


def _nccl(device: torch.device) -> dist.ProcessGroup:
    torch.cuda.set_device(device)  # of this thread
    group: Any = dist.new_group(backend="nccl", timeout=_NO_LIMIT)
    dist.all_reduce(torch.zeros(1, device=device), group=group)  # which is what connects
    torch.cuda.synchronize(device)
    return group  # type: ignore[no-any-return]


class _WatchingReporter:
    """A reporter whose tasks end as soon as another process is known to have failed."""

    def __init__(self, reporter: Reporter, heartbeats: Heartbeats) -> None:
        self._reporter = reporter
        self._heartbeats = heartbeats

    def say(self, text: str) -> None:
        self._reporter.say(text)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        with self._reporter.task(title, total, done) as show:

            def advance(count: int = 1, note: str = "") -> None:
                show(count, note)
                self._heartbeats.require_alive()

            yield advance


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
    failed = True
    try:
        connect(lambda: _gloo(PrefixStore("torch", store), rank, size), heartbeats)
        shown = _WatchingReporter(reporter, heartbeats) if rank == 0 else SilentReporter()
        connections = Connections(heartbeats, members)
        group = ProcessGroup(shown, heartbeats=heartbeats, connections=connections)
        with _handed_on_signals(group):
            yield group
        failed = False
    finally:
        if failed and dist.group.WORLD is not None:
            # What waits for a process that is gone would wait at the end of this one, too.
            with suppress(RuntimeError, AttributeError):
                dist.group.WORLD.abort()
        heartbeats.close()
        if not failed:
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
