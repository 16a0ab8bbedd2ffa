"""Liveness of the processes that work on trials: identity, heartbeat, reaping.

Why not `study.optimize` with the heartbeats of an `RDBStorage`: a study whose workers are killed
must end with every trial complete, and with Optuna's own means it need not.

- Only a relational storage has heartbeats; the journal, which is the default here, has none.
- Stale trials are looked for when a worker asks for its next trial, so the trial that is lost last
  may stay unfinished: the other workers have ended by then.
- A stale trial is first failed and then queued again; a process killed in between loses it.
- A dead process is noticed after the grace period, which must exceed the slowest heartbeat; here,
  on the same machine, within a second.
- Each loop of `optimize` counts for itself, so several workers begin more trials than asked for.

Optuna's heartbeat thread runs only within that loop, so it cannot be used by itself.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from facesim.errors import FacesimError
from facesim.machine_errors import machine_error
from facesim.runs.directory import RunDirectory
from facesim.tuning.storage import (
    BEAT,
    CHECKPOINT_BEFORE,
    COMMAND,
    DIED,
    DRAWN,
    EPOCHS,
    EPOCHS_BEFORE,
    FRUITLESS,
    IS_BASE,
    PAUSED,
    PROCESS,
    REPEATS,
    RUN,
    STOPPED,
    is_worth_repeating,
    loss_of,
    parameters_of,
)

SECONDS_BETWEEN_BEATS = 20.0
SECONDS_WITHOUT_BEAT = 120.0
"""After so long a process of another machine is taken for dead."""

_SECONDS_TO_SIGN = 60.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """Identity of a process, unique across machines and boots.

    Attributes:
        host: the machine, its current boot, and the namespace that numbers its processes.
        pid: the process within it.
        started: when it started, in clock ticks since boot: process numbers are reused. Empty where
            the system does not tell.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> "ProcessIdentity":
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """A living process of this machine."""
        return cls(_host(), pid, _started(pid) or "")

    @classmethod
    def read(cls, attributes: Any) -> "ProcessIdentity | None":
        """From a trial's attributes; None if no process has signed."""
        return None if attributes is None else cls(**attributes)

    @property
    def name_of_host(self) -> str:
        """The hostname of its machine."""
        return self.host.split()[0]

    def as_attributes(self) -> dict[str, Any]:
        """As a trial's attributes hold it."""
        return asdict(self)

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, as far as this machine can tell: of another, always."""
        return self.host != _host() or self.is_dead

    @property
    def is_dead(self) -> bool:
        """Whether the process has certainly ended; of another machine this is never certain."""
        if self.host != _host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # another user's process, so the number is in use
            pass
        started = _started(self.pid)
        return started is None or (started != self.started and bool(self.started))


@contextmanager
def heartbeat(trial: optuna.Trial) -> Iterator[None]:
    """Increment the trial's beat while the block runs, for other machines to see."""
    done = Event()

    def beat() -> None:
        beats = 0
        while not done.wait(SECONDS_BETWEEN_BEATS):
            beats += 1
            try:
                trial.set_user_attr(BEAT, beats)
            except UpdateFinishedTrialError:  # taken for dead; the next report will raise it, too
                return
            except Exception as error:
                # Of a storage that is out of reach only now, nobody need know; otherwise the next
                # report fails.
                if machine_error(error) is None:
                    raise

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Reaper:
    """Fails the running trials of dead processes, and queues their parameters again.

    A process of this machine is looked up by its number. Of another machine only the beat is known,
    which a living process keeps incrementing; how long it has stood still is measured by this
    process's own clock, because clocks of two machines differ.

    Args:
        study: whose trials; whoever reaps must hold the lock of the study's folder.
        shared: whether processes that do not hold that lock may work on the study.
    """

    def __init__(self, study: optuna.Study, *, shared: bool) -> None:
        self._study = study
        self._shared = shared
        self._beats: dict[int, tuple[int, float]] = {}

    def reap(self) -> None:
        """Fail the trials of dead processes, and queue every lost trial once more."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            if self._is_dead(trial):
                # Without a reason, which is what marks it as lost: see `loss_of`.
                with suppress(UpdateFinishedTrialError):
                    self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        # Not only those that were failed above: an earlier reaper may have died in between.
        for trial in to_repeat(self._study.get_trials(deepcopy=False)):
            parameters, attributes = repeat_of(trial)
            self._study.enqueue_trial(parameters, user_attrs=attributes)

    def _is_dead(self, trial: FrozenTrial) -> bool:
        process = ProcessIdentity.read(trial.user_attrs.get(PROCESS))
        if process is None:
            # Who shares the folder signs before releasing its lock, so this one died before.
            return not self._shared or _age(trial) > _SECONDS_TO_SIGN
        return process.is_dead or self._stands_still(trial, process)

    def _stands_still(self, trial: FrozenTrial, process: ProcessIdentity) -> bool:
        if process.host == _host():
            return False
        beat, now = int(trial.user_attrs.get(BEAT, 0)), time.monotonic()
        seen, since = self._beats.get(trial.number, (None, now))
        if seen != beat:
            self._beats[trial.number] = beat, now
            return False
        return now - since > SECONDS_WITHOUT_BEAT


def to_repeat(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The lost trials that are worth repeating and have not been queued again yet."""
    repeated = {trial.user_attrs.get(REPEATS) for trial in trials}
    return [trial for trial in trials if trial.number not in repeated and is_worth_repeating(trial)]


def repeat_of(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the attributes with which a lost trial is tried again.

    Parameters of which only some were drawn are drawn again, all of them.
    """
    drawn = DRAWN in trial.user_attrs or RUN in trial.user_attrs
    parameters = parameters_of(trial) if drawn else trial.system_attrs.get("fixed_params", {})
    attributes = {
        REPEATS: trial.number,
        FRUITLESS: fruitless_attempts(trial),
        EPOCHS_BEFORE: trial.user_attrs.get(EPOCHS, 0),
        CHECKPOINT_BEFORE: _last_checkpoint(trial),
    }
    carried = {key: trial.user_attrs[key] for key in (IS_BASE, RUN) if key in trial.user_attrs}
    return dict(parameters), {**attributes, **carried}


def fruitless_attempts(trial: FrozenTrial) -> int:
    """How many attempts in a row, a lost one included, were held up or took down their process.

    A new checkpoint begins the count anew, within an epoch too. Where the whole search was
    killed, the trial is not to blame.
    """
    attributes = trial.user_attrs
    checkpoint = _last_checkpoint(trial)
    progressed = attributes.get(EPOCHS, 0) > attributes.get(EPOCHS_BEFORE, 0) or (
        checkpoint is not None and checkpoint != attributes.get(CHECKPOINT_BEFORE)
    )
    loss = loss_of(trial)
    if progressed or loss == PAUSED:
        return 0
    command = ProcessIdentity.read(attributes.get(COMMAND))
    with_all = loss == DIED and command is not None and command.is_gone
    return int(attributes.get(FRUITLESS, 0)) + (loss != STOPPED and not with_all)


def _last_checkpoint(trial: FrozenTrial) -> int | None:
    """When the run's last checkpoint was written, in ns; None if there is none on this machine."""
    try:
        return RunDirectory(Path(trial.user_attrs[RUN])).checkpoints.last.stat().st_mtime_ns
    except (KeyError, FacesimError, OSError):
        return None


def _age(trial: FrozenTrial) -> float:
    began = trial.datetime_start
    return 0.0 if began is None else (datetime.now(tz=began.tzinfo) - began).total_seconds()


@cache
def _host() -> str:
    try:
        booted = _BOOT.read_text().strip()
        # Two containers of one machine have the same boot but number their processes apart.
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
