"""Hosts made of namespaces are as far apart as two machines, and leave nothing behind."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.two_hosts import Host, Network, unavailable

WAIT = 30.0
LISTEN = "import socket; print(socket.create_server(('', 4711)).accept()[0].recv(9).decode())"
SEND = (
    "import socket, sys, time\n"
    "for _ in range(300):\n"
    "    try:\n"
    "        socket.create_connection((sys.argv[1], 4711), 5).sendall(b'good day')\n"
    "        break\n"
    "    except ConnectionRefusedError:\n"
    "        time.sleep(0.1)\n"
)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if why := unavailable():
        pytest.skip(why)
    with Network(tmp_path) as network:
        yield network


def said(host: Host, *command: str) -> str:
    process = host.run(command, stdout=subprocess.PIPE, text=True)
    return str(process.communicate(timeout=WAIT)[0]).strip()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_each_host_has_its_own_name_files_and_processes(network: Network, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    one = network.join("one", {"/mnt/data": tmp_path / "one"})
    two = network.join("two", {"/mnt/some/where": tmp_path / "two"})
    assert [said(host, "uname", "-n") for host in (one, two)] == ["one", "two"]
    assert said(one, "cat", "/mnt/data/content") == "one"
    assert said(two, "cat", "/mnt/some/where/content") == "two"
    assert said(two, "ls", "/mnt", str(tmp_path)).split() == [
        "/mnt:",
        "some",
        "tmp",
        f"{tmp_path}:",
    ]
    asleep = one.run(["sleep", "600"])
    assert asleep.pid in one.processes
    assert asleep.pid not in two.processes
    assert "sleep" in said(one, "sh", "-c", "cat /proc/[0-9]*/comm")
    assert "sleep" not in said(two, "sh", "-c", "cat /proc/[0-9]*/comm")
    asleep.terminate()
    assert asleep.wait(WAIT) == -15


@pytest.mark.parametrize("by", ["name", "address"])
def test_a_host_reaches_a_port_of_another(network: Network, by: str) -> None:
    one, two = network.join("one"), network.join("two")
    listener = one.run([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True)
    sender = two.run([sys.executable, "-c", SEND, getattr(one, by)])
    assert sender.wait(WAIT) == 0
    assert listener.communicate(timeout=WAIT)[0] == "good day\n"


def test_killing_a_host_ends_all_that_runs_on_it_and_nothing_else(network: Network) -> None:
    one, two = network.join("one"), network.join("two")
    # One that has left its parent and its session, and one that ignores what can be ignored.
    shell = "setsid sleep 600 & trap '' TERM HUP INT; sleep 601 & wait"
    commands = [host.run(["sh", "-c", shell]) for host in (one, two)]
    deadline = time.monotonic() + WAIT
    while len(one.processes) < 5 or len(two.processes) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    ended, left = one.processes, two.processes
    one.kill()
    assert commands[0].poll() == -9
    assert not [pid for pid in ended if is_running(pid)]
    assert commands[1].poll() is None
    assert two.processes == left
    assert said(two, "uname", "-n") == "two"


MAKE = """
import os, sys, time
from pathlib import Path
from tests.two_hosts import Network
with Network(Path(sys.argv[1])) as network:
    hosts = [network.server, network.join("one"), network.join("two")]
    for host in hosts:
        host.run(["sleep", "600"])
    print(*(pid for host in hosts for pid in host.processes), flush=True)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["by itself", "killed"])
def test_nothing_is_left_behind(tmp_path: Path, end: str) -> None:
    if why := unavailable():
        pytest.skip(why)
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    made = subprocess.run(
        [sys.executable, "-c", MAKE, str(tmp_path), end],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    assert made.returncode == (-9 if end == "killed" else 0)
    numbers = [int(word) for word in made.stdout.split()]
    assert len(numbers) >= 9
    deadline = time.monotonic() + WAIT
    while any(map(is_running, numbers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # No process is left to hold a namespace, nor a namespace to hold a mount or a link.
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    links = {path.name for path in Path("/sys/class/net").iterdir()}
    assert not links & {"one", "two", "switch"}
    assert [path.name for path in tmp_path.iterdir()] == ["hosts"]
