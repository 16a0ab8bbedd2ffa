"""Groups of real processes, which :mod:`tests.facesim.test_process_group` starts and judges.

They are forked by a process that has imported torch and has one thread, and print JSON: what each
process found, by rank, of each case by name.
"""

import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.serialization import register_package

from facesim.heartbeats import GroupFailedError
from facesim.process_group import ProcessGroup, joined
from facesim.rendezvous import is_launched
from facesim.reporters import PlainReporter, SilentReporter

Case = Callable[[ProcessGroup], Any]


def together(group: ProcessGroup) -> list[object]:
    """What the collective methods give."""
    found: list[Any] = [is_launched(), group.size, group.is_main]
    found.append(not isinstance(group.reporter, SilentReporter))
    sent = torch.arange(4).view(2, 2).t()[group.rank :: group.size]  # not contiguous
    found.append([each.tolist() for each in group.gather(sent)])
    found.append(group.sum(torch.tensor([1.5, float(group.rank)])).tolist())
    value: dict[str, Any] = {
        "weights": torch.tensor([0.1 + group.rank]),
        "names": ["a", None],
        "step": group.rank,
    }
    received = group.broadcast(value)
    found += [received["weights"].tolist(), received["names"], received["step"]]
    if group.is_main:
        group.request("step", step=7, rows=torch.arange(2))
        group.request("end")
    else:
        name, values = group.next_request()
        found += [name, values["step"], values["rows"].tolist(), group.next_request()[0]]
    return found


def one_is_killed(rank: int, group: ProcessGroup) -> None:
    """A process is killed between two collectives."""
    group.gather(torch.zeros(2))
    if group.rank == rank:
        os.kill(os.getpid(), signal.SIGKILL)
    group.gather(torch.zeros(2))


def one_raises(group: ProcessGroup) -> None:
    """A process reports a failure, and leaves."""
    if group.rank == 1:
        group.heartbeats.report("no space left")
        raise OSError(28, "No space left on device")
    group.gather(torch.zeros(2))


def one_is_asked_to_stop(group: ProcessGroup) -> int | None:
    """A process other than the main one gets a signal, and all go on."""
    if not group.is_main:
        os.kill(os.getpid(), signal.SIGTERM)
    until = time.monotonic() + 10
    while group.requested_stop is None and time.monotonic() < until:
        time.sleep(0.05)
    group.gather(torch.zeros(1))
    return group.requested_stop


def one_raises_meanwhile(group: ProcessGroup) -> None:
    """The main process does long work of its own, and shows its progress."""
    if group.rank == 1:
        group.heartbeats.report("no space left")
        raise OSError(28, "No space left on device")
    with group.reporter.task("working", 600) as advance:
        for _ in range(600):
            time.sleep(0.05)
            advance()


def receive_from_a_device(group: ProcessGroup) -> str:
    """A tensor of the main process is saved as one of a device that the receiver does not have."""
    if group.is_main:
        register_package(0, lambda _: "cuda:3", lambda *_: None)
    return group.broadcast(torch.zeros(2)).device.type


CASES: dict[str, Case] = {
    "together": together,
    "the other one is killed": lambda group: one_is_killed(1, group),
    "the main one is killed": lambda group: one_is_killed(0, group),
    "the other one raises": one_raises,
    "the other one raises while the main one works alone": one_raises_meanwhile,
    "a tensor of another device": receive_from_a_device,
    "the other one is asked to stop": one_is_asked_to_stop,
}


def run(case: Case, size: int, folder: Path) -> list[dict[str, Any]]:
    """What each process found or failed with, how it ended, and after how many seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    began = time.monotonic()
    pids = []
    for rank in range(size):
        pid = os.fork()
        if not pid:
            os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), GLOO_SOCKET_IFNAME="lo")
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
            os._exit(_be_one(case, folder / str(rank)))
        pids.append(pid)
    ended = []
    for rank, pid in enumerate(pids):
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        file = folder / str(rank)
        found = json.loads(file.read_text()) if file.exists() else None
        file.unlink(missing_ok=True)
        ended.append({"found": found, "status": status, "seconds": time.monotonic() - began})
    return ended


def _be_one(case: Case, file: Path) -> int:
    found: dict[str, Any] = {}
    try:
        with joined(PlainReporter()) as group:
            found["result"] = case(group)
    except GroupFailedError as error:
        found |= {"told": str(error), "here": error.should_print}
    except OSError as error:
        found["own"] = str(error)
    file.write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        json.dump({name: run(case, 2, Path(place)) for name, case in CASES.items()}, sys.stdout)
