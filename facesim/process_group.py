"""Several processes that carry out one run together, connected by ``torch.distributed``."""

import io
import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, Store, rendezvous  # type: ignore[attr-defined]

from facesim.errors import FacesimError
from facesim.heartbeats import BEAT_SECONDS, Heartbeats
from facesim.processes import Processes
from facesim.reporters import Reporter, SilentReporter

_NO_LIMIT = timedelta(days=365)
"""Of torch: heartbeats notice a process that hangs, and one that computes for hours does not."""

_MEETING_SECONDS = 600.0
"""In which all processes import what they need, from whatever disk."""

_ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

T = TypeVar("T")


def is_launched() -> bool:
    """Whether this process was started by ``torchrun``, or by what does the same."""
    return all(name in os.environ for name in _ENVIRONMENT) and os.environ["WORLD_SIZE"] != "1"


@dataclass(frozen=True)
class ProcessGroup(Processes):
    """This process among several that work on one run.

    The main process decides what is done, and the others do their share of it: it calls
    :meth:`request` and then the function that they call as well, when :meth:`next_request` has
    told them.

    Attributes:
        heartbeats: of this process and the others.
        restarts: how often ``torchrun --max-restarts`` has started them again after a failure, as
            far as any host knows: each counts the failures of its own processes.
    """

    heartbeats: Heartbeats = field(kw_only=True)
    restarts: int = field(kw_only=True, default=0)

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
        self._complete(lambda: dist.all_gather(gathered, tensor, async_op=True))
        return gathered

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in an order that torch chooses; changes its argument."""
        self._complete(lambda: dist.all_reduce(tensor, async_op=True))
        return tensor

    def broadcast(self, value: T) -> T:
        """The main process's value, of tensors and plain data, on every process."""
        buffer = io.BytesIO()
        if self.is_main:
            torch.save(value, buffer)
        size = torch.tensor([buffer.tell()])
        self._complete(lambda: dist.broadcast(size, 0, async_op=True))
        content = torch.empty(int(size), dtype=torch.uint8)
        if self.is_main:
            content = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
        self._complete(lambda: dist.broadcast(content, 0, async_op=True))
        if self.is_main:
            return value
        received: T = torch.load(io.BytesIO(content.numpy().tobytes()), weights_only=True)
        return received

    def request(self, name: str, **values: Any) -> None:
        """Let the other processes do something: they get it from :meth:`next_request`."""
        self.broadcast((name, values))

    def next_request(self) -> tuple[str, dict[str, Any]]:
        """Wait until the main process requests something; for the other processes."""
        return self.broadcast(("", {}))

    def _complete(self, start: Callable[[], Any]) -> None:
        """Carry out a collective operation, watching the others' heartbeats.

        Raises:
            GroupFailedError: another process failed, died or hangs, or what launched them is gone.
        """
        self.heartbeats.require_no_failure()
        try:
            work = start()
        except RuntimeError as error:
            raise self.heartbeats.find_out(error) from error
        while True:
            try:
                work.wait(timedelta(seconds=2 * BEAT_SECONDS))
            except RuntimeError as error:
                if work.is_completed() or "imed out" not in str(error):
                    raise self.heartbeats.find_out(error) from error
                self.heartbeats.require_alive()
            else:
                return


def is_restarted(processes: Processes) -> bool:
    """Whether ``torchrun --max-restarts`` has started some of them again after a failure."""
    if isinstance(processes, ProcessGroup):
        return processes.restarts > 0
    return _restarts() > 0


@contextmanager
def joined(reporter: Reporter) -> Iterator[ProcessGroup]:
    """Join the group that ``torchrun`` describes in the environment.

    Each process takes the CUDA device of its local rank, where there is one.

    Args:
        reporter: of the main process; the others are silent.

    Raises:
        FacesimError: the others cannot be reached.
        GroupFailedError: another process failed.
    """
    device = None
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
    heartbeats, restarts = _connect(device)
    is_main = dist.get_rank() == 0
    shown = reporter if is_main else SilentReporter()
    group = ProcessGroup(shown, heartbeats=heartbeats, restarts=restarts)
    failed = True
    try:
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


def _connect(device: torch.device | None) -> tuple[Heartbeats, int]:
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    host = socket.gethostname()
    try:
        store, _, _ = next(iter(rendezvous("env://", rank, size)))
        ours, members = _meet(PrefixStore("facesim", store), rank, size)
        dist.init_process_group(
            "gloo" if device is None else "cpu:gloo,cuda:nccl",
            store=PrefixStore("torch", ours),
            rank=rank,
            world_size=size,
            timeout=_NO_LIMIT,
            device_id=device,
        )
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise FacesimError(
            f"process {rank} of {size} on {host} cannot join the others by {address}: "
            f"{str(error).splitlines()[0]}; `facesim doctor` says which interface is used"
        ) from error
    hosts = tuple(member["host"] for member in members)
    restarts = max(member["restarts"] for member in members)
    return Heartbeats(PrefixStore("heartbeats", ours.clone()), rank, hosts), restarts


def _restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _meet(store: Store, rank: int, size: int) -> tuple[Store, list[dict[str, Any]]]:
    """Wait for the other processes; returns the keys of this attempt alone, and who takes part.

    torchrun keeps the store when it starts processes again, and each host counts the attempts by
    itself. So the main process names the attempt, and another one takes part where the main
    process lists what it has just said.
    """
    own: dict[str, Any] = {
        "host": socket.gethostname(),
        "restarts": _restarts(),
        "process": uuid.uuid4().hex,
    }
    deadline = time.monotonic() + _MEETING_SECONDS
    if rank == 0:
        store.set("attempt", own["process"])
    while time.monotonic() < deadline:  # not in one long wait, which no signal would end
        if store.check(["attempt"]):
            ours = PrefixStore(store.get("attempt").decode(), store)
            ours.set(f"came/{rank}", json.dumps(own))
            came = [f"came/{other}" for other in range(size)]
            if rank == 0 and ours.check(came):
                ours.set("members", json.dumps([json.loads(ours.get(each)) for each in came]))
            if ours.check(["members"]):
                members = json.loads(ours.get("members"))
                if own in members:
                    return ours, members
        time.sleep(BEAT_SECONDS / 10)
    raise RuntimeError(f"some have not come within {_MEETING_SECONDS:.0f} seconds")


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
