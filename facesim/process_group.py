"""Several processes that carry out one run together, connected by ``torch.distributed``."""

import io
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]

from facesim.errors import FacesimError
from facesim.heartbeats import BEAT_SECONDS, Heartbeats
from facesim.processes import Processes
from facesim.reporters import Reporter, SilentReporter

_NO_LIMIT = timedelta(days=365)
"""Of torch: heartbeats notice a process that hangs, and one that computes for hours does not."""

_ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

T = TypeVar("T")


def is_launched() -> bool:
    """Whether this process was started by ``torchrun``, or by what does the same."""
    return all(name in os.environ for name in _ENVIRONMENT) and os.environ["WORLD_SIZE"] != "1"


def is_restarted() -> bool:
    """Whether ``torchrun --max-restarts`` has started this process again after a failure."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@dataclass(frozen=True)
class ProcessGroup(Processes):
    """This process among several that work on one run.

    The main process decides what is done, and the others do their share of it: it calls
    :meth:`request` and then the function that they call as well, when :meth:`next_request` has
    told them.

    Attributes:
        heartbeats: of this process and the others.
    """

    heartbeats: Heartbeats = field(kw_only=True)

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
            GroupFailedError: another process failed, died or hangs.
        """
        try:
            work = start()
        except RuntimeError as error:
            raise self.heartbeats.find_out() from error
        while True:
            try:
                work.wait(timedelta(seconds=2 * BEAT_SECONDS))
            except RuntimeError as error:
                if work.is_completed() or "imed out" not in str(error):
                    raise self.heartbeats.find_out() from error
                self.heartbeats.require_alive()
            else:
                return


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
    heartbeats = _connect(device)
    is_main = dist.get_rank() == 0
    group = ProcessGroup(reporter if is_main else SilentReporter(), heartbeats=heartbeats)
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


def _connect(device: torch.device | None) -> Heartbeats:
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    host = socket.gethostname()
    try:
        store, _, _ = next(iter(rendezvous("env://", rank, size)))
        ours = PrefixStore(f"facesim/{_attempt()}", store)
        ours.set(f"host/{rank}", host)
        hosts = tuple(ours.get(f"host/{other}").decode() for other in range(size))
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
    return Heartbeats(PrefixStore("heartbeats", ours.clone()), rank, hosts)


def _attempt() -> str:
    """Tells the keys of a group from those of one before it, whose store torchrun keeps."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


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
