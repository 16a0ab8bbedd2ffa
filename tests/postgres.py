"""A PostgreSQL server, for tests and campaigns of searches over several machines."""

import os
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from shutil import chown, which

from tests.two_hosts import Host


def unavailable() -> str:
    """Why there can be no server here; empty where there can."""
    if _binaries() is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    if find_spec("psycopg") is None:
        return 'no driver: pip install "facesim[postgres]"'
    return ""


def _binaries() -> Path | None:
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), Path(which("initdb") or "").parent]
    return next((folder for folder in found if (folder / "initdb").is_file()), None)


class Server:
    """A server with an empty cluster of its own.

    Args:
        folder: for its data; not below a folder that is closed to the user that it runs as.
        host: to run it on, for other hosts too; None for this machine, on loopback.
    """

    def __init__(self, folder: Path, host: Host | None = None) -> None:
        binaries = _binaries()
        assert binaries is not None
        self._binaries = binaries
        self._data = folder / "data"
        self._host = host
        self._address = "127.0.0.1" if host is None else host.address
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:  # as root it would refuse to run
            chown(folder, "postgres")
        self._run("initdb", "-U", "facesim", "-A", "trust", "-D", str(self._data))
        with (self._data / "pg_hba.conf").open("a") as allowed:
            allowed.write(f"host all all {self._address}/24 trust\n")
        self.begin()

    def url(self, database: str = "postgres") -> str:
        """As ``--storage`` takes it."""
        return f"postgresql+psycopg://facesim@{self._address}:{self.port}/{database}"

    def create(self, database: str) -> None:
        """Create an empty database."""
        address = ("-h", self._address, "-p", str(self.port), "-U", "facesim")
        self._run("createdb", *address, database)

    def begin(self) -> None:
        """Start it, and wait until it listens."""
        options = f"-c listen_addresses={self._address} -c fsync=off -p {self.port} -k {self._data}"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-w", "start")

    def end(self) -> None:
        """Stop it at once, as if it had crashed."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        user = "postgres" if os.geteuid() == 0 else None
        command = [str(self._binaries / program), *arguments]
        # Its own output would keep a pipe open for as long as the server runs.
        quiet = subprocess.DEVNULL
        run = subprocess.Popen if self._host is None else self._host.run
        status = run(command, user=user, stdout=quiet, stderr=quiet, cwd=self._data.parent).wait()
        if status:
            raise subprocess.CalledProcessError(status, command)
