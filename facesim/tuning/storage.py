"""Storage of a study, and the attributes that its trials carry."""

import os
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from facesim.errors import FacesimError

JOURNAL_FILE = "journal.log"
_SECONDS_FOR_A_LOCKED_DATABASE = 60


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Open a study's storage, or create it.

    Args:
        url: of a database, as SQLAlchemy writes it; None for a journal in the folder.
        folder: the study's own, which exists.

    Raises:
        FacesimError: the storage cannot be reached or read.
    """
    if url is None:
        return _open_journal((folder / JOURNAL_FILE).absolute())
    try:
        name = make_url(url).get_backend_name()
        timeout = {"timeout": _SECONDS_FOR_A_LOCKED_DATABASE} if name == "sqlite" else {}
        settings = {"connect_args": timeout, "pool_pre_ping": True}
        return RDBStorage(url, engine_kwargs=settings)
    except ImportError as error:
        raise FacesimError(
            f"--storage {url}: the database's Python package is missing ({_first_line(error)}); "
            'for PostgreSQL: pip install "facesim[postgres]"'
        ) from None
    except (SQLAlchemyError, RuntimeError) as error:
        raise FacesimError(f"--storage {url} cannot be used: {_first_line(error)}") from None


class RepairingLock(JournalFileOpenLock):
    """A journal's lock that the system releases when its holder dies, and that repairs the journal.

    Optuna's own locks are files that a killed process leaves behind. They are taken from their
    holder after a grace period of half a minute, whether it is dead or slow, and two writers at
    once corrupt the journal.

    Whoever acquires this lock cuts off the line that a killed writer left half written: nothing
    writes to the journal without holding it, and a line appended to a torn one would make the file
    unreadable. Optuna's base class has no public name, hence the subclass of one of its locks.

    Args:
        journal: absolute path of the journal.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        # Not `journal.log.lock`: a tool that opens the study with Optuna's locks makes that one.
        self._held = FileLock(journal.with_name(f".{journal.name}.held"))

    def acquire(self) -> bool:
        """Wait for the lock, and repair the journal."""
        self._held.acquire()
        cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        """Release the lock."""
        self._held.release()


def cut_torn_line(journal: Path) -> None:
    """Shorten a file to its last newline; a file that ends with one stays untouched."""
    with journal.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        whole = _end_of_last_line(file.fileno(), end)
        if whole < end:
            file.truncate(whole)
            os.fsync(file.fileno())


def _end_of_last_line(descriptor: int, end: int) -> int:
    """Where the last newline before ``end`` ends; 0 if there is none."""
    while end > 0:
        begin = max(end - 4096, 0)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def _open_journal(journal: Path) -> JournalStorage:
    try:
        journal.touch()
        return JournalStorage(JournalFileBackend(str(journal), lock_obj=RepairingLock(journal)))
    except (OSError, ValueError, KeyError) as error:
        raise FacesimError(f"{journal} cannot be read as a study's journal: {error}") from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


PROCESS = "worked_on_by"
"""The process that works on the trial: a `facesim.tuning.liveness.ProcessIdentity`."""

BEAT = "beat"
"""A number that this process increments now and then."""

RUN = "run"
"""Path of the trial's run directory."""

EPOCHS = "epochs_done"
"""Epochs that are done, with a checkpoint."""

LOST = "lost"
"""Why a failed trial does not count, as far as a living process could write it; see `loss_of`."""

REPEATS = "repeats"
"""The number of the lost trial whose parameters this one tries again."""

FRUITLESS = "fruitless_attempts"
"""How many attempts in a row were lost with these parameters without another epoch."""

EPOCHS_BEFORE = "epochs_done_before"
"""Epochs that were done when this trial took over the parameters of a lost one."""

IS_BASE = "is_base"
"""Whether this is the experiment as its file has it, with the search left out."""

REASON = "reason"
"""Why a trial failed."""

DIED, STOPPED, SURPLUS = "died", "stopped", "surplus"

_MOST_FRUITLESS = 3


def loss_of(trial: FrozenTrial) -> str | None:
    """How a failed trial was lost: `DIED`, `STOPPED` or `SURPLUS`; None for any other trial.

    A process that lives writes why it fails a trial before it does so. Without a reason, then, the
    process died, and another one failed the trial.
    """
    if trial.state != TrialState.FAIL:
        return None
    if LOST in trial.user_attrs:
        return str(trial.user_attrs[LOST])
    return None if REASON in trial.user_attrs else DIED


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for."""
    loss = loss_of(trial)
    return loss is None or (loss != SURPLUS and not is_worth_repeating(trial))


def is_worth_repeating(trial: FrozenTrial) -> bool:
    """Whether a trial is lost and tried again: not after repeated crashes without progress."""
    loss = loss_of(trial)
    return loss == STOPPED or (loss == DIED and fruitless_attempts(trial) < _MOST_FRUITLESS)


def fruitless_attempts(trial: FrozenTrial) -> int:
    """How many attempts in a row, this one included, brought these parameters no epoch further."""
    attributes = trial.user_attrs
    progressed = attributes.get(EPOCHS, 0) > attributes.get(EPOCHS_BEFORE, 0)
    return 0 if progressed else int(attributes.get(FRUITLESS, 0)) + 1


def repeat_of(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the attributes with which a lost trial is tried again."""
    attributes = {
        REPEATS: trial.number,
        FRUITLESS: fruitless_attempts(trial),
        EPOCHS_BEFORE: trial.user_attrs.get(EPOCHS, 0),
    }
    carried = {key: trial.user_attrs[key] for key in (IS_BASE, RUN) if key in trial.user_attrs}
    # A process may die before it has asked for every queued parameter.
    queued = trial.system_attrs.get("fixed_params", {})
    return {**queued, **trial.params}, {**attributes, **carried}
