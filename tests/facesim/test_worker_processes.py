"""Processes of a pool end with the main one, and one that is killed is an error of the machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facesim.machine_errors import MachineError
from facesim.worker_processes import worker_pool

BEGUN: list[int] = []


def begin(number: int) -> None:
    BEGUN.append(number)


def begun(_: int) -> list[int]:
    return BEGUN


def kill_itself(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_process_begins_with_what_it_is_given() -> None:
    with worker_pool(1, "tries this", begin, 7) as pool:
        assert list(pool.map(begun, range(3))) == [[7]] * 3
    assert BEGUN == []


def test_a_killed_process_is_an_error_of_the_machine() -> None:
    with (
        pytest.raises(MachineError, match="a process that tries this was killed"),
        worker_pool(2, "tries this") as pool,
    ):
        list(pool.map(kill_itself, range(3)))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to look into")
def test_processes_end_with_a_main_process_that_is_killed() -> None:
    code = (
        "import os, sys, time\n"
        "from facesim.worker_processes import worker_pool\n"
        "with worker_pool(16, 'works') as pool:\n"
        "    found = set()\n"
        "    while len(found) < min(os.cpu_count() or 1, 16):\n"
        "        found |= {f.result() for f in [pool.submit(os.getpid) for _ in range(50)]}\n"
        "        time.sleep(0.01)\n"
        "    print(*found, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        workers = [int(word) for word in main.stdout.readline().split()]
        main.kill()
    assert workers
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
