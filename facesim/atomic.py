"""Atomic file writes."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_UMASK = os.umask(0)  # can only be read by setting it, so it is read once, before there are threads
os.umask(_UMASK)
_NEW_FILE_MODE = 0o666 & ~_UMASK


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name beside ``path``, flush it to disk and rename it.

    If the block raises, ``path`` is unchanged. A kill leaves at most a ``.tmp`` file.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_NEW_FILE_MODE)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a file atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def remove_leftovers(folder: Path, older_than: float = 0.0) -> None:
    """Remove the temporary files of killed writers.

    Args:
        folder: looked at itself, without the folders in it.
        older_than: seconds since the last change; 0 where no other process writes there now.
    """
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):  # somebody else removed it, or may
            if path.is_file() and time.time() - path.stat().st_mtime >= older_than:
                path.unlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; not every platform can open a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
