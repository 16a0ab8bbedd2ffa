"""The storage of a study: a journal file, or any database that Optuna supports."""

import os
from pathlib import Path

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
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
