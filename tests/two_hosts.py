"""Hosts on one network, made of this machine's namespaces, for tests of several machines.

A host has a name, network, processes, shared memory and file-system view of its own, as another
machine has; interpreter and sources are this machine's. It takes Linux, root and iproute2;
:func:`unavailable` says what is missing.

    with Network(tmp_path) as network:
        one = network.join("one", {"/mnt/faces": tmp_path / "one"})
        two = network.join("two", {"/mnt/elsewhere/faces": tmp_path / "two"})
        command = one.run(["torchrun", "--rdzv-endpoint", f"{one.address}:29400", ...], {"A": "b"})
        two.kill()

No namespace has a name and no link is made outside of them, so all of it goes with the processes;
and a host's first process ends with the test's own, however that ends.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

_ENTER = ("unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child")
_POSSIBLE = """set -e
mount -t tmpfs tmpfs /mnt
ip link add switch type bridge
ip link add port type veth peer name end
"""
_FIRST_PROCESS = """set -e
read -r number rest < /proc/self/stat  # as the machine outside counts
echo "$number"
mount -t proc proc /proc
echo "$1" > /proc/sys/kernel/hostname
ip link set lo up
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /mnt
mkdir -m 1777 /mnt/tmp
mount --bind "$2" /etc/hosts
hidden=$3
shift 3
while [ $# -gt 0 ]; do
    mkdir -p "$1"
    mount --bind "$2" "$1"
    shift 2
done
[ -z "$hidden" ] || mount -t tmpfs tmpfs "$hidden"
echo ready
cat > /dev/null  # until the test closes the pipe, or ends
:
"""
_SWITCH, _PREFIX = "switch", "192.0.2"  # a network for documentation, which exists nowhere


@cache
def unavailable() -> str:
    """Why there can be no hosts here; empty where there can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [each for each in ("ip", "unshare", "nsenter") if shutil.which(each) is None]
    if missing:
        return f"no command {', '.join(missing)}: apt-get install iproute2 util-linux"
    tried = subprocess.run(
        [*_ENTER, "sh", "-c", _POSSIBLE], check=False, capture_output=True, text=True
    )
    if tried.returncode:
        return f"namespaces and links between them are not allowed: {tried.stderr.strip()}"
    return ""


class Host:
    """A host; :meth:`Network.join` makes it.

    Attributes:
        name: its hostname, by which the other hosts find it too.
        address: its IPv4 address.
        first: number of its first process; it lasts as long as the host.
    """

    def __init__(self, name: str, address: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.address = address
        self._started: list[subprocess.Popen[Any]] = []
        self._life = subprocess.Popen(
            [*_ENTER, "sh", "-c", _FIRST_PROCESS, "sh", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the test alone
        )
        assert self._life.stdout is not None
        said = [self._life.stdout.readline(), self._life.stdout.readline()]
        if said[-1] != "ready\n":
            raise RuntimeError(f"host {name}: {''.join(said)}{self._life.communicate()[0]}")
        self.first = int(said[0])
        # What a thread starts after setns is of the host's processes, yet a child of this one with
        # a number that is valid here. Such a thread can start no other thread, so it has one task.
        self._starter = ThreadPoolExecutor(1, initializer=self._enter_processes)

    def run(
        self,
        command: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        *,
        cwd: str | Path = "/mnt",
        user: str | None = None,
        **options: Any,
    ) -> "subprocess.Popen[Any]":
        """Start a command on the host.

        Args:
            command: program and arguments.
            env: variables, in addition to this process's; ``TMPDIR`` is the host's own.
            cwd: its current directory, as the host sees it.
            user: name of the user to run it as, instead of root.
            options: as ``subprocess.Popen`` takes them.

        Returns:
            The process itself, for its signals and its exit code.
        """
        entered = [*self.entered("--mount", "--uts", "--ipc", "--net"), "sh", "-c"]
        entered += ['cd -- "$0" && exec "$@"', str(cwd)]
        if user is not None:
            entered += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        environment = {**os.environ, "TMPDIR": "/mnt/tmp", **(env or {})}
        environment.pop("GLOO_SOCKET_IFNAME", None)  # of this machine's interfaces
        command = [*entered, *map(str, command)]

        def start() -> "subprocess.Popen[Any]":
            return subprocess.Popen(command, env=environment, **options)

        process = self._starter.submit(start).result()
        self._started.append(process)
        return process

    def entered(self, *namespaces: str) -> list[str]:
        """What to put before a command that is to run in some of the host's namespaces."""
        return ["nsenter", f"--target={self.first}", *namespaces, "--"]

    @property
    def processes(self) -> list[int]:
        """Numbers of the host's living processes, the first one included."""
        own = Path(f"/proc/{self.first}/ns/pid").stat().st_ino
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                if (process / "ns" / "pid").stat().st_ino == own:
                    found.append(int(process.name))
        return found

    def kill(self) -> None:
        """SIGKILL all processes of the host at once; returns when they have ended."""
        self._starter.shutdown()
        with suppress(ProcessLookupError):
            os.kill(self.first, signal.SIGKILL)  # with it the kernel kills all others
        for process in self._started:  # those that are reaped here, without which it cannot end
            process.wait()
        self._life.communicate()

    def _enter_processes(self) -> None:
        system = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{self.first}/ns/pid", "rb") as namespace:  # noqa: PTH123
            if system.setns(namespace.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")


class Network:
    """A switch that hosts are joined to; all of them end with the block.

    Args:
        folder: the test's own. No host sees it, but what it is shown of it.

    Attributes:
        server: a host that sees all that this machine sees, for a database or a file server.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = folder / "hosts"
        self._names.write_text("127.0.0.1 localhost\n")
        self._hosts: list[Host] = []

    def __enter__(self) -> "Network":
        self.server = Host("server", f"{_PREFIX}.1", [str(self._names), ""])
        self._hosts.append(self.server)
        try:
            self._ip(self.server, "link", "add", _SWITCH, "type", "bridge")
            self._address(self.server, _SWITCH)
        except BaseException:
            self.server.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in reversed(self._hosts):
            host.kill()

    def join(self, name: str, shown: Mapping[str, Path] | None = None) -> Host:
        """Make a host that reaches all others, by address and by name.

        Args:
            name: its hostname, of up to 15 letters.
            shown: path on the host, below ``/mnt`` -> the folder of this machine that it shows.
        """
        view = [str(word) for pair in (shown or {}).items() for word in pair]
        address = f"{_PREFIX}.{len(self._hosts) + 1}"
        host = Host(name, address, [str(self._names), str(self._folder), *view])
        self._hosts.append(host)
        end = ("peer", "name", "eth0", "netns", str(host.first))
        self._ip(self.server, "link", "add", name, "type", "veth", *end)
        self._ip(self.server, "link", "set", name, "master", _SWITCH, "up")
        self._address(host, "eth0")
        return host

    def unplug(self, host: Host) -> None:
        """Cut a host off, whose processes live on; to the others it is a machine without power."""
        self._ip(self.server, "link", "set", host.name, "down")

    def _address(self, host: Host, link: str) -> None:
        self._ip(host, "address", "add", f"{host.address}/24", "dev", link)
        self._ip(host, "link", "set", link, "up")
        with self._names.open("a") as names:
            names.write(f"{host.address} {host.name}\n")

    def _ip(self, host: Host, *words: str) -> None:
        # With this machine's own process numbers, by which `ip` is told where a link ends.
        subprocess.run([*host.entered("--net"), "ip", *words], check=True)
