"""Heartbeats: how the processes of a group learn that one of them has failed, died or hangs."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from torch.distributed import Store  # type: ignore[attr-defined]

from facesim.errors import FacesimError

BEAT_SECONDS = 0.5
"""Between two heartbeats of a process."""

DEAD_SECONDS = 4.0
"""Without a heartbeat, after a connection was lost, a process counts as dead."""

SILENT_SECONDS = 20.0
"""Without a heartbeat a process counts as hanging, though its connections are open."""

_FAILURE = "failure"
_STOP = "stop"


@dataclass(frozen=True)
class Failure:
    """Why a group of processes ended.

    Attributes:
        rank: of the process that failed.
        host: its machine.
        message: for the person; one line or a few.
        is_reported: whether the process said so itself; otherwise the others noticed.
    """

    rank: int
    host: str
    message: str
    is_reported: bool = False


class GroupFailedError(FacesimError):
    """A process of the group has failed; all others end with it.

    Attributes:
        failure: which one, and why.
        is_told_here: whether it is this process that tells the person.
    """

    def __init__(self, failure: Failure, size: int, *, is_told_here: bool) -> None:
        self.failure = failure
        self.is_told_here = is_told_here
        super().__init__(f"process {failure.rank} of {size} on {failure.host}: {failure.message}")


class Heartbeats:
    """Tells the other processes that this one is alive, and watches theirs, on a thread.

    The first failure that a process reports is everybody's. Where a process can report nothing any
    more, because it was killed or stopped, the others notice that its heartbeats have ceased.

    Args:
        store: what all processes share; used by the thread alone.
        rank: of this process.
        hosts: the machine of every process.
    """

    def __init__(self, store: Store, rank: int, hosts: tuple[str, ...]) -> None:
        self._store = store
        self._rank = rank
        self._hosts = hosts
        self._lock = threading.RLock()  # a signal may come while it is held
        self._failure: Failure | None = None
        self._requested_stop: int | None = None
        self._seen = {other: ("", time.monotonic()) for other in self._others}
        self._ended: set[int] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="facesim-heartbeats", daemon=True)
        self._thread.start()

    @property
    def _others(self) -> list[int]:
        return [rank for rank in range(len(self._hosts)) if rank != self._rank]

    @property
    def requested_stop(self) -> int | None:
        """The signal by which some process was asked to stop; None if none was."""
        return self._requested_stop

    def require_no_failure(self) -> None:
        """Return if no failure is known.

        Raises:
            GroupFailedError: a process has said that it failed, or the store is gone.
        """
        if self._failure is not None:
            raise self._error(self._failure)

    def require_alive(self, patience: float = SILENT_SECONDS) -> None:
        """Return if every other process is alive, as far as is known.

        Args:
            patience: seconds without a heartbeat after which a process is not.

        Raises:
            GroupFailedError: one has failed, was killed, or hangs.
        """
        failure = self._failure or self._silent(patience)
        if failure is not None:
            raise self._error(failure)

    def find_out(self) -> GroupFailedError:
        """Why a connection was lost: waits until a failure is reported, or heartbeats cease."""
        until = time.monotonic() + 2 * DEAD_SECONDS
        while time.monotonic() < until:
            failure = self._failure or self._silent(DEAD_SECONDS)
            if failure is not None:
                return self._error(failure)
            time.sleep(BEAT_SECONDS / 5)
        lost = Failure(self._rank, self._hosts[self._rank], "lost its connection to the others")
        return self._error(lost)

    def report(self, message: str) -> None:
        """Tell all other processes that this one has failed."""
        self._publish(_FAILURE, asdict(Failure(self._rank, self._hosts[self._rank], message, True)))

    def request_stop(self, signal_number: int) -> None:
        """Tell all processes that this one was asked to stop."""
        self._requested_stop = self._requested_stop or signal_number
        self._publish(_STOP, signal_number)

    def close(self) -> None:
        """Say that this process has come to its end, and stop beating."""
        self._publish(f"ended/{self._rank}", True)
        self._closing.set()
        self._thread.join(timeout=DEAD_SECONDS)

    def _publish(self, key: str, value: object) -> None:
        with self._lock, suppress(RuntimeError):  # the store's host may be what is gone
            self._store.compare_set(key, "", json.dumps(value))

    def _silent(self, patience: float) -> Failure | None:
        now = time.monotonic()
        for other, (_, last) in self._seen.items():
            if other not in self._ended and now - last > patience:
                how = "was killed, or its machine or connection is gone"
                if patience == SILENT_SECONDS:
                    how = f"has not answered for {patience:.0f} seconds: it hangs, or was stopped"
                return Failure(other, self._hosts[other], f"{how}. The run can be resumed")
        return None

    def _error(self, failure: Failure) -> GroupFailedError:
        # The main process tells, also of itself; where it is the one that is gone, the next one.
        teller = 0 if failure.rank or failure.is_reported else 1
        told = self._rank == teller
        return GroupFailedError(failure, len(self._hosts), is_told_here=told)

    def _beat(self) -> None:
        count = 0
        lost_since: float | None = None
        while not self._closing.wait(BEAT_SECONDS):
            count += 1
            try:
                with self._lock:
                    self._store.set(f"beat/{self._rank}", str(count))
                    self._look()
                lost_since = None
            except RuntimeError:  # torch's, of any network error
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > DEAD_SECONDS:
                    gone = "is gone, or its machine, or what launched it. The run can be resumed"
                    self._failure = Failure(0, self._hosts[0], gone)
                    return

    def _look(self) -> None:
        if self._store.check([_FAILURE]):
            self._failure = Failure(**json.loads(self._store.get(_FAILURE)))
        if self._store.check([_STOP]):
            self._requested_stop = int(json.loads(self._store.get(_STOP)))
        for other in self._others:
            if self._store.check([f"ended/{other}"]):
                self._ended.add(other)
            if self._store.check([f"beat/{other}"]):
                beat = self._store.get(f"beat/{other}").decode()
                if beat != self._seen[other][0]:
                    self._seen[other] = beat, time.monotonic()
