"""Failure detection in a group of processes, by heartbeats in a store that all of them share."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from torch.distributed import Store  # type: ignore[attr-defined]

from facesim.errors import FacesimError

BEAT_SECONDS = 0.5
"""Between two heartbeats of a process."""

DEAD_SECONDS = 4.0
"""Without a heartbeat, after a connection was lost, a process counts as dead."""

SILENT_SECONDS = 20.0
"""Without a heartbeat a process counts as hanging, though its connections are open."""

LATE_SECONDS = 2.0
"""A few heartbeats: without one a process is doubtful, and without a look this one judges none."""

_FAILURE = "failure"
_STOP = "stop"


@dataclass(frozen=True)
class RankFailure:
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
        should_print: whether this process is the one that prints it.
    """

    def __init__(self, failure: RankFailure, size: int, *, should_print: bool) -> None:
        self.failure = failure
        self.should_print = should_print
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
        self._failure: RankFailure | None = None
        self._requested_stop: int | None = None
        self._seen = {other: ("", time.monotonic()) for other in self._others}
        self._looked = time.monotonic()
        self._has_lost_store = False
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

    def require_alive(self) -> None:
        """Return if every other process is alive, as far as is known.

        Raises:
            GroupFailedError: one has failed, was killed, or hangs.
        """
        failure = self._failure or self._silent(SILENT_SECONDS)
        if failure is not None:
            raise self._error(failure)

    def find_out(self, error: Exception) -> GroupFailedError:
        """Why a connection was lost: waits until a failure is reported, or heartbeats cease.

        Args:
            error: how the connection was lost; told where nothing else explains it.
        """
        until = time.monotonic() + 2 * DEAD_SECONDS
        while time.monotonic() < until:
            failure = self._failure or self._silent(DEAD_SECONDS)
            if failure is not None:
                return self._error(failure)
            time.sleep(BEAT_SECONDS / 5)
        said = (str(error) or type(error).__name__).splitlines()[0]
        return self.fail(f"lost its connection to the others\n{said}")

    def fail(self, message: str) -> GroupFailedError:
        """Report that this process has failed; returns what all processes end with."""
        return self._error(self.report(message))

    def report(self, message: str) -> RankFailure:
        """Tell all other processes that this one has failed; returns the first failure of all."""
        own = RankFailure(self._rank, self._hosts[self._rank], message, True)
        first = self._publish(_FAILURE, asdict(own))
        return own if first is None else RankFailure(**first)

    def request_stop(self, signal_number: int) -> None:
        """Tell all processes that this one was asked to stop."""
        self._requested_stop = self._requested_stop or signal_number
        self._publish(_STOP, signal_number)

    def close(self) -> None:
        """Say that this process has come to its end, and stop beating."""
        self._publish(f"ended/{self._rank}", True)
        self._closing.set()
        self._thread.join(timeout=DEAD_SECONDS)

    def _publish(self, key: str, value: object) -> Any:
        """Set a key that nobody has set; returns what it is then, None if the store is gone."""
        with self._lock, suppress(RuntimeError):
            return json.loads(self._store.compare_set(key, "", json.dumps(value)))
        return None

    def _silent(self, patience: float) -> RankFailure | None:
        # Without a recent look, this process may have been stopped, and the others were not. It
        # waits for one; counted, because a clock goes on while it is stopped. Where the store does
        # not answer either, the last look has to do.
        for _ in range(round(5 * DEAD_SECONDS / BEAT_SECONDS)):
            if time.monotonic() - self._looked <= LATE_SECONDS:
                break
            time.sleep(BEAT_SECONDS / 5)
        gone = self._without_beat(patience)
        if not gone:
            return None
        how = "was killed, or its machine or connection is gone"
        if patience == SILENT_SECONDS:
            how = f"has not answered for {patience:.0f} seconds: it hangs, or was stopped"
        return RankFailure(gone[0], self._hosts[gone[0]], f"{how}. The run can be resumed")

    def _without_beat(self, patience: float) -> list[int]:
        now = time.monotonic()
        return [
            other
            for other, (_, last) in self._seen.items()
            if other not in self._ended and now - last > patience
        ]

    def _error(self, failure: RankFailure) -> GroupFailedError:
        printing = self._printing(failure) == self._rank
        return GroupFailedError(failure, len(self._hosts), should_print=printing)

    def _printing(self, failure: RankFailure) -> int:
        """The lowest rank that is alive as far as this process knows, itself counted.

        The main process prints its own failure; another one that has failed leaves it to the rest.
        """
        if failure.is_reported and failure.rank == 0:
            return 0
        gone = {failure.rank}
        if self._has_lost_store:  # with its host, or by what launched the processes there
            at_store = {rank for rank, host in enumerate(self._hosts) if host == self._hosts[0]}
            gone |= {0} if self._rank in at_store else at_store
        else:
            lower = {rank for rank in range(self._rank) if rank not in gone}
            until = time.monotonic() + DEAD_SECONDS
            while time.monotonic() < until:
                gone |= set(self._without_beat(DEAD_SECONDS))
                # One that died with the first may have been heard a moment later.
                if not (lower - gone) & set(self._without_beat(LATE_SECONDS)):
                    break
                time.sleep(BEAT_SECONDS / 5)
        alive = [rank for rank in range(len(self._hosts)) if rank not in gone]
        return alive[0] if alive else self._rank

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
                    self._has_lost_store = True
                    self._failure = RankFailure(0, self._hosts[0], gone)
                    return

    def _look(self) -> None:
        began = time.monotonic()
        if began - self._looked > LATE_SECONDS:  # stopped meanwhile, perhaps together with others
            self._seen = {other: (beat, began) for other, (beat, _) in self._seen.items()}
        if self._store.check([_FAILURE]):
            self._failure = RankFailure(**json.loads(self._store.get(_FAILURE)))
        if self._store.check([_STOP]):
            self._requested_stop = int(json.loads(self._store.get(_STOP)))
        for other in self._others:
            if self._store.check([f"ended/{other}"]):
                self._ended.add(other)
            if self._store.check([f"beat/{other}"]):
                beat = self._store.get(f"beat/{other}").decode()
                if beat != self._seen[other][0]:
                    self._seen[other] = beat, time.monotonic()
        self._looked = began
