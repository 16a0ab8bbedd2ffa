"""An error in one process's share of some work, which all processes raise together."""

import socket
from enum import IntEnum

import torch

from facesim.errors import FacesimError
from facesim.heartbeats import GroupFailedError
from facesim.processes import Processes

_TEXT_BYTES = 4096


class SharedFailureError(FacesimError):
    """Some process could not do its share of the work, for instance for a damaged image.

    All processes raise it after the same collective operation, so that they can go on in step.
    """


class _Status(IntEnum):
    DONE = 0
    FAILED = 1
    LEFT = 2


def all_done(
    processes: Processes, failure: FacesimError | None = None, *, leaves: bool = False
) -> bool:
    """Let all processes know whether each has done its share of some work.

    Args:
        processes: all of which call this function.
        failure: why this process has not.
        leaves: whether this process ends the work, which is then nobody's failure.

    Returns:
        Whether the work goes on; False where a process leaves it.

    Raises:
        FacesimError: the main process's own ``failure``.
        SharedFailureError: of another process, which it names.
        GroupFailedError: another process, or this one by ``failure``, cannot go on at all.
    """
    if isinstance(failure, GroupFailedError):
        raise failure
    own = _Status.LEFT if leaves else _Status.FAILED if failure else _Status.DONE
    gathered = torch.cat(processes.gather(torch.tensor([own]))).tolist()
    if _Status.LEFT in gathered:
        return False
    if _Status.FAILED not in gathered:
        return True
    where = f"process {processes.rank} of {processes.size} on {socket.gethostname()}"
    text = f"{where}: {failure}" if failure else ""
    sent = torch.zeros(_TEXT_BYTES, dtype=torch.uint8)
    encoded = text.encode(errors="backslashreplace")[:_TEXT_BYTES]
    sent[: len(encoded)] = torch.tensor(list(encoded), dtype=torch.uint8)
    texts = processes.gather(sent)
    if failure and processes.is_main:
        raise failure
    first = texts[gathered.index(_Status.FAILED)].numpy().tobytes()
    raise SharedFailureError(first.rstrip(b"\0").decode(errors="ignore")) from failure
