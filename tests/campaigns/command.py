"""One facesim command in a forked process: killed, limited and watched.

The forking process has imported torch and the engine (no plugins), so a command starts in
milliseconds. It must have one thread only.
"""

import atexit
import gc
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import current_process
from multiprocessing.util import _exit_function  # type: ignore[attr-defined]
from pathlib import Path
from typing import IO, NoReturn

GRACE = 15.0
"""Seconds in which the processes that a killed command has started must end by themselves."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit code; minus the signal that killed it.
        output: standard output and standard error, decoded with surrogate escapes.
        seconds: of wall time.
        hung: whether it used up its limit.
        outlived_by: processes that it started and that were alive :data:`GRACE` s after its end.
    """

    status: int
    output: str
    seconds: float
    hung: bool
    outlived_by: tuple[str, ...]


def run_facesim(
    *arguments: str,
    folder: Path,
    kill_after: float | None = None,
    prepare: Callable[[], object] = int,
    limit: int = 60,
) -> Ended:
    """Run ``facesim ARGUMENTS`` in a folder until it ends or is killed.

    Args:
        arguments: of the command line.
        folder: its current directory.
        kill_after: seconds after which it gets SIGKILL; its children get nothing.
        prepare: called in the forked process before the command: limits, another user, other
            file descriptors, the environment, faults put into modules.
        limit: seconds of processor time; ten times as many of wall time.
    """
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        pid = _fork(arguments, folder, output.fileno(), prepare, limit)
        return _ended(pid, output, began, kill_after, limit)


def run_group(
    count: int,
    *arguments: str,
    folder: Path,
    prepare: Callable[[int], object] = int,
    meanwhile: Callable[[list[int]], object] = len,
    limit: int = 60,
) -> list[Ended]:
    """Run ``facesim ARGUMENTS`` in several processes, which find each other as under torchrun.

    Args:
        count: of processes.
        arguments: of the command line.
        folder: the current directory of all.
        prepare: called in each forked process with its rank.
        meanwhile: called with the processes' numbers once all are started.
        limit: as for :func:`run_facesim`.

    Returns:
        How each ended, by rank.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def begin(rank: int) -> None:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count}
        os.environ.update({name: str(value) for name, value in names.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, GLOO_SOCKET_IFNAME="lo")
        prepare(rank)

    with ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        began = time.monotonic()
        pids = [
            _fork(arguments, folder, output.fileno(), partial(begin, rank), limit)
            for rank, output in enumerate(outputs)
        ]
        meanwhile(pids)
        return [
            _ended(pid, output, began, None, limit)
            for pid, output in zip(pids, outputs, strict=True)
        ]


def _fork(
    arguments: tuple[str, ...],
    folder: Path,
    output: int,
    prepare: Callable[[], object],
    limit: int,
) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _become_facesim(arguments, folder, output, prepare, limit)
    return pid


def _ended(
    pid: int, output: IO[bytes], began: float, kill_after: float | None, limit: int
) -> Ended:
    status, hung = _wait(pid, began, kill_after, limit)
    seconds = time.monotonic() - began
    outlived_by = _end_session(pid)
    output.seek(0)
    printed = output.read().decode("utf-8", "surrogateescape")
    return Ended(status, printed, seconds, hung or status == -signal.SIGXCPU, outlived_by)


def _become_facesim(
    arguments: tuple[str, ...],
    folder: Path,
    output: int,
    prepare: Callable[[], object],
    limit: int,
) -> NoReturn:
    code = 99  # what no command exits with
    try:
        atexit._clear()
        # The folder for sockets is of whoever needed it first; a command may have another user.
        current_process()._config.pop("tempdir", None)  # type: ignore[attr-defined]
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        sys.argv = ["facesim", *arguments]
        prepare()
        code = _exit_code_of_main()
        _exit_function()
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001  printed, for the caller to find
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _exit_code_of_main() -> int:
    from facesim.cli import main

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
        return 1
    finally:
        gc.collect()
    return 0


def _wait(pid: int, began: float, kill_after: float | None, limit: int) -> tuple[int, bool]:
    """Returns the status of a process, and whether it had to be stopped."""
    last = 10 * limit if kill_after is None else min(kill_after, 10 * limit)
    while time.monotonic() - began < last:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), False
        left = began + last - time.monotonic()
        time.sleep(min(0.005, max(left, 0)))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), kill_after is None


def _end_session(session: int) -> tuple[str, ...]:
    """Give a session's processes time to end; kill and return those that don't."""
    until = time.monotonic() + GRACE
    while (alive := _processes_of(session)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return tuple(alive.values())


def _processes_of(session: int) -> dict[int, str]:
    """The command lines of a session's processes."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, *numbers = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(numbers[2]) == session and state != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = f"process {folder.name}: {command.decode().strip()}"
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
