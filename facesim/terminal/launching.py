"""Several processes for one command: started on this machine, or by torchrun on several."""

import logging
import os
import socket
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import typer

from facesim.errors import FacesimError
from facesim.heartbeats import GroupFailedError
from facesim.machine_errors import MachineError, machine_error
from facesim.process_group import ProcessGroup, joined
from facesim.processes import Processes
from facesim.rendezvous import is_launched, loopback_only
from facesim.reporters import Reporter
from facesim.terminal.failure import Failure, failure_of
from facesim.terminal.streams import release_stdout
from facesim.training.stop import Stopped, ending_together

_PATIENCE = 600
"""Seconds in which a process that is asked to stop finishes its step."""


def launch(count: int) -> int:
    """Run this command in several processes on this machine, by torch's own launcher.

    Each gets a share of the cores, unless ``OMP_NUM_THREADS`` is set, and talks to the others by
    the loopback interface.

    Args:
        count: of processes.

    Returns:
        The exit code of the main process, or of the first that failed.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # What it logs of a process that failed was said by facesim.
    torch_log = logging.getLogger("torch.distributed.elastic")
    torch_log.addHandler(logging.NullHandler())
    torch_log.propagate = False  # a level would not do: each of its modules has its own
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(cores // count, 1)))
    for name, value in loopback_only().items():
        os.environ.setdefault(name, value)
    settings: dict[str, Any] = {
        "min_nodes": 1,
        "max_nodes": 1,
        "nproc_per_node": count,
        "run_id": uuid.uuid4().hex,
        "rdzv_backend": "c10d",
        "rdzv_endpoint": "localhost:0",
        "local_addr": "localhost",
        "max_restarts": 0,
        "monitor_interval": 0.1,
        "shutdown_timeout": _PATIENCE,  # not of every version of torch
    }
    known = signature(LaunchConfig).parameters
    release_stdout()  # for the document of the main process
    config = LaunchConfig(**{name: each for name, each in settings.items() if name in known})
    try:
        elastic_launch(config, sys.executable)("-m", "facesim", *sys.argv[1:])
    except ChildFailedError as failed:
        codes = {rank: failure.exitcode for rank, failure in failed.failures.items()}
        code = codes.get(0, 2)
        return code if code > 0 else 2
    except SignalException as stopped:
        return 128 + stopped.sigval
    return 0


@contextmanager
def together(reporter: Reporter, count: int = 1) -> Iterator[Processes]:
    """The processes of this command: this one alone, or those that were launched with it.

    Where several are asked for and none were launched, this one launches them, and exits with them.

    The other processes leave the block when the main one does; whatever fails on one of them ends
    all, and one message says where.

    Args:
        reporter: of the main process.
        count: how many are asked for on this machine.

    Raises:
        FacesimError: torchrun has started another number than is asked for.
        GroupFailedError: another process failed, which this one tells.
    """
    if not is_launched():
        _require_started(count)
        if count > 1:
            raise typer.Exit(launch(count))
        yield Processes(reporter)
        return
    try:
        with joined(reporter) as group, _failing_together(group):
            if not group.is_main:  # it would repeat what the main process says
                logging.getLogger("facesim").setLevel(logging.ERROR)
                warnings.simplefilter("ignore")
            _require_started(count)
            yield group
    except GroupFailedError as error:
        if error.should_print:
            raise
        raise typer.Exit(2) from None


def _require_started(count: int) -> None:
    started = int(os.environ.get("WORLD_SIZE", count)) if "RANK" in os.environ else count
    if count not in (1, started):
        raise FacesimError(
            f"--processes {count}: torchrun has started {started}; leave the option out, or give "
            f"torchrun --nproc-per-node {count}"
        )


@contextmanager
def _failing_together(group: ProcessGroup) -> Iterator[None]:
    """Like :func:`ending_together`; an error of this process is told once, and names it."""
    try:
        with ending_together(group, lambda error: _told(failure_of(error, asked=False))):
            yield
    except (GroupFailedError, Stopped):
        raise
    except BaseException as error:
        failure = failure_of(error, asked=False)
        if not group.is_main:
            raise typer.Exit(2 if failure is None else failure.exit_code) from None
        if isinstance(error, MachineError) or machine_error(error) is not None:
            where = f"process 0 of {group.size} on {socket.gethostname()}"
            raise FacesimError(f"{where}: {_told(failure)}") from error
        raise


def _told(failure: Failure | None) -> str:
    return "ended" if failure is None else failure.message
