"""Locks between processes, released however a process ends."""

import errno
from contextlib import suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from facesim.bounded import require_regular
from facesim.console import warn_once
from facesim.folders import new_file_mode

UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system answers to a call that it does not have."""


class ProcessLock:
    """A file that one process at a time holds.

    A context manager, which waits for the lock. It may be released on another thread than it was
    acquired on. Where the file system has no locks, it is always free, which is said once.

    Args:
        path: the file; made in a folder that exists, and left where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: FileLock | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def acquire(self, *, wait: bool = True) -> bool:
        """Lock; returns whether it is held now.

        Args:
            wait: until the process that holds it releases it.

        Raises:
            OSError: the file cannot be made or opened, or is a link or anything but a file.
        """
        folder = self._path.parent
        with suppress(FileNotFoundError):
            # It is opened for writing, by some versions of filelock also where a link leads.
            require_regular(self._path.lstat(), self._path)
        lock = FileLock(self._path, mode=new_file_mode(folder), thread_local=False)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
        except NotImplementedError:  # an older filelock's word for ENOSYS
            _say_unlocked(folder)
            return True
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            _say_unlocked(folder)
            return True
        self._lock = lock
        return True

    def release(self) -> None:
        """Unlock, if it is held."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def _say_unlocked(folder: Path) -> None:
    warn_once(
        f"{folder}: its file system has no locks; let only one process at a time work there, or "
        "one may write what another is writing"
    )
