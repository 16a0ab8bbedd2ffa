"""The connections of a process group: gloo between CPUs, nccl between CUDA devices."""

import atexit
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import Store  # type: ignore[attr-defined]

from facesim.heartbeats import BEAT_SECONDS, Heartbeats
from facesim.rendezvous import Member, require_cuda

_NO_LIMIT = timedelta(days=365)
"""Of torch: heartbeats notice a process that hangs, and one that computes for hours does not."""

_CONNECTING_SECONDS = 300.0
"""In which all processes reach each other; a firewall may be in between."""

_POLL_SECONDS = 1e-4

T = TypeVar("T")


class Connections:
    """Connects the processes of a group, and says by what a tensor is exchanged.

    gloo is torch's default group. nccl is set up when the first tensor on a device is exchanged,
    which all processes do together; so a run on the CPU takes no memory of a device.

    Args:
        store: in which they find each other's addresses.
        rank: of this process.
        members: all processes, by rank.
        heartbeats: of all processes.

    Raises:
        GroupFailedError: a process failed, died or hangs, or they do not reach each other.
    """

    def __init__(
        self, store: Store, rank: int, members: tuple[Member, ...], heartbeats: Heartbeats
    ) -> None:
        self._heartbeats = heartbeats
        self._members = members
        self._nccl: dist.ProcessGroup | None = None
        _connected(lambda: _gloo(store, rank, len(members)), heartbeats)

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
            self._nccl = _connected(lambda: _nccl(tensor.device), self._heartbeats)
        return self._nccl

    def abort(self) -> None:
        """Give up what is under way: at the end, it would wait for a process that is gone."""
        for group in (self._nccl, dist.group.WORLD):
            with suppress(RuntimeError, AttributeError):  # not of every version of torch
                group.abort()  # type: ignore[union-attr]


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
            if "imed out" not in str(error):
                raise
            if work.is_completed():  # a moment after that
                work.wait()  # raises if it has failed
                return
            heartbeats.require_alive()
        else:
            return


def _connected(work: Callable[[], T], heartbeats: Heartbeats) -> T:
    """Connect on a thread: it waits for all processes, for as long as a collective may last."""
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


def _gloo(store: Store, rank: int, size: int) -> None:
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=_NO_LIMIT)


def _nccl(device: torch.device) -> dist.ProcessGroup:
    torch.cuda.set_device(device)  # of this thread
    group: Any = dist.new_group(backend="nccl", timeout=_NO_LIMIT)
    dist.all_reduce(torch.zeros(1, device=device), group=group)  # which is what connects
    torch.cuda.synchronize(device)
    return group  # type: ignore[no-any-return]
