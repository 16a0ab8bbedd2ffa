"""Who works on a trial, and whether that process still lives."""

import os
import socket
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Presence:
    """A process.

    Attributes:
        host: the machine, as it is booted now, and the namespace that numbers its processes.
        pid: the process within it.
        started: when it started, in the system's own count, so that a number that was given to
            another process since is not taken for this one; empty where the system does not tell.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> "Presence":
        """This process."""
        return cls(_host(), os.getpid(), _started(os.getpid()) or "")

    @classmethod
    def read(cls, attributes: Any) -> "Presence | None":
        """From a trial's attributes; None if they name nobody."""
        return None if attributes is None else cls(**attributes)

    def as_attributes(self) -> dict[str, Any]:
        """As a trial's attributes hold it."""
        return asdict(self)

    @property
    def is_dead(self) -> bool:
        """Whether the process has certainly ended; a machine other than this one is never sure."""
        if self.host != _host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # another user's, so the number lives
            pass
        started = _started(self.pid)
        return started is None or (started != self.started and bool(self.started))


@cache
def _host() -> str:
    try:
        booted = _BOOT.read_text().strip()
        processes = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  a link to no path
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {booted} {processes}"


def _started(pid: int) -> str | None:
    """Start of a process in clock ticks since boot; None if it has ended, zombies included."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self/stat").exists() else ""
    fields = text[text.rfind(")") + 2 :].split()  # the name before may hold anything
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else ticks
