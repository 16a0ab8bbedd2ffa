"""Errors of the machine: no space left, no memory, no database, no permission.

The one place that tells them from mistakes in an experiment: a search stops at an error of the
machine and repeats the trial later, and the command line words it in one line.
"""

import errno
import re
import sqlite3
import sys
from collections.abc import Iterator

from facesim.errors import FacesimError


class MachineError(FacesimError):
    """A fault of the machine that a message words already."""


_ADVICE = {
    **dict.fromkeys(("ENOSPC", "EDQUOT"), "free some space"),
    **dict.fromkeys(("EACCES", "EPERM", "EROFS"), "make it accessible, or name another folder"),
    **dict.fromkeys(("EMFILE", "ENFILE"), "raise the limit of open files (ulimit -n)"),
    "ENOMEM": "free some memory, or use smaller batches",
    "EAGAIN": "raise the limit of processes (ulimit -u)",
    "EFBIG": "raise the limit of file sizes (ulimit -f)",
    **dict.fromkeys(("EIO", "EREMOTEIO", "ENODEV", "ENXIO", "ESTALE"), "look after the device"),
    **dict.fromkeys(("ENOLCK", "ENOSYS", "EOPNOTSUPP"), "use another file system"),
    **dict.fromkeys(
        ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"), "look after the network"
    ),
}
_ADVICE_BY_NUMBER = {
    getattr(errno, name): advice for name, advice in _ADVICE.items() if hasattr(errno, name)
}

_NO_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|unable to (mmap|open shared memory|allocate)|failed to map segment|std::bad_alloc"
    r"|can't start new thread",
    re.IGNORECASE,
)
"""What torch, or the import of a library, writes into an error where it got no memory."""

_STORAGE_ERRORS = (
    ("sqlalchemy.exc", "SQLAlchemyError"),
    ("optuna.exceptions", "StorageInternalError"),
)


def machine_error(error: BaseException) -> BaseException | None:
    """The error of the machine that an error is or came from; None where there is none.

    What an error was raised from or during is looked at as well: a message that names the file has
    the system's error behind it.
    """
    return next((each for each in chain(error) if _is_of_machine(each)), None)


_PATH_ERRORS = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.EINVAL,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)


def is_mistaken_path(error: BaseException) -> bool:
    """Whether the system refused a path, such as one that is too long or goes through a file."""
    return isinstance(error, OSError) and error.filename is not None and error.errno in _PATH_ERRORS


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, the machine's or an accelerator's."""
    return any(_is_out_of_memory(each) for each in chain(error))


def in_one_line(error: BaseException) -> str:
    """An error of the machine as one line: what happened, where, and what to do."""
    if isinstance(error, FacesimError):
        return str(error)
    found = machine_error(error) or error
    if not isinstance(found, OSError):
        return in_words(found)
    names = [str(name) for name in (found.filename, found.filename2) if name is not None]
    return f"{' -> '.join(names)}: {in_words(found)}" if names else in_words(found)


def in_words(error: BaseException) -> str:
    """What happened and what to do, without where: for a message that has begun with the file."""
    found = machine_error(error) or error
    if isinstance(found, OSError) and found.strerror:
        said = found.strerror
        advice = _ADVICE_BY_NUMBER.get(found.errno or 0, "")
    else:
        said = (str(found) or type(found).__name__).splitlines()[0][:300]
        advice = ""
    if not advice and _is_out_of_memory(found):
        said, advice = f"out of memory: {said}", _ADVICE["ENOMEM"]
    return f"{said}; {advice}" if advice else said


def why_unread(error: OSError) -> str:
    """What follows the name of a file that is not there, or cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"cannot be read: {error.strerror}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those behind it, also where ``from None`` hides them from a traceback."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _is_of_machine(error: BaseException) -> bool:
    if isinstance(error, MachineError | MemoryError | ConnectionError):
        return True
    if isinstance(error, OSError) and error.errno in _ADVICE_BY_NUMBER:
        return True
    if isinstance(error, sqlite3.Error) or _is_out_of_memory(error):
        return True
    # What is not imported has raised nothing, and takes a second to import.
    classes = (getattr(sys.modules.get(module), name, ()) for module, name in _STORAGE_ERRORS)
    return any(isinstance(error, each) for each in classes)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError | ImportError) and bool(_NO_MEMORY.search(str(error)))
