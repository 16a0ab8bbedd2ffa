"""Two real processes, connected by gloo on the loopback interface."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are forked")

KILLED = "was killed, or its machine or connection is gone. The run can be resumed"


@pytest.fixture(scope="module")
def cases() -> dict[str, list[dict[str, Any]]]:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.facesim.forked_groups"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(finished.stdout)
    return found


def test_they_gather_sum_and_broadcast_and_the_main_one_requests(
    cases: dict[str, list[dict[str, Any]]],
) -> None:
    main, other = (ended["found"]["result"] for ended in cases["together"])
    assert main[:4] == [True, 2, True, True]
    assert other[:4] == [True, 2, False, False]
    assert main[4] == other[4] == [[[0, 2]], [[1, 3]]]
    assert main[5] == other[5] == [3.0, 1.0]
    assert main[6:9] == other[6:9] == [[pytest.approx(0.1)], ["a", None], 0]
    assert other[9:] == ["step", 7, [0, 1], "end"]


@pytest.mark.parametrize(("name", "rank"), [("other", 1), ("main", 0)])
def test_when_one_is_killed_the_other_ends_within_seconds_and_names_it(
    cases: dict[str, list[dict[str, Any]]], name: str, rank: int
) -> None:
    ended = cases[f"the {name} one is killed"]
    assert ended[rank]["status"] == -9
    survivor = ended[1 - rank]
    assert survivor["status"] == 0  # it was not killed with it
    assert survivor["found"]["told"].startswith(f"process {rank} of 2 on ")
    assert survivor["found"]["here"]
    assert survivor["seconds"] < 30
    if rank:
        assert KILLED in survivor["found"]["told"]


def test_when_one_fails_the_other_ends_with_its_message(
    cases: dict[str, list[dict[str, Any]]],
) -> None:
    main, other = (ended["found"] for ended in cases["the other one raises"])
    assert main["told"].startswith("process 1 of 2 on ")
    assert main["told"].endswith(": no space left")
    assert other == {"own": "[Errno 28] No space left on device"}


def test_a_signal_to_one_is_a_request_to_all_and_ends_none(
    cases: dict[str, list[dict[str, Any]]],
) -> None:
    ended = cases["the other one is asked to stop"]
    assert [each["found"].get("result") for each in ended] == [15, 15]


DYING = """
import os, signal, sys
from facesim import cli, connections, heartbeats
heartbeats.SILENT_SECONDS = 3.0
if os.environ["RANK"] == "1":  # after all have met, and before they are connected
    connections._gloo = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["facesim", "check", "none.yaml"]
cli.main()
"""


def test_when_one_dies_while_they_connect_the_others_end_and_one_names_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    known = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    known |= {"GLOO_SOCKET_IFNAME": "lo", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DYING],
            env={**os.environ, **known, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(3)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [2, -9, 2], said
    assert said[0].startswith("process 1 of 3 on ")
    assert said[1:] == ["", ""]


def test_a_failure_ends_what_the_main_process_does_alone_at_its_next_advance(
    cases: dict[str, list[dict[str, Any]]],
) -> None:
    main, _ = cases["the other one raises while the main one works alone"]
    assert main["found"]["told"].endswith(": no space left")
    assert main["seconds"] < 30


def test_what_the_main_process_sends_comes_onto_the_cpu(
    cases: dict[str, list[dict[str, Any]]],
) -> None:
    assert cases["a tensor of another device"][1]["found"]["result"] == "cpu"
