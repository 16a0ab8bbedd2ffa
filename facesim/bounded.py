"""Reading files within bounds: regular ones only, and no more bytes than a limit."""

import errno
import os
import stat
from io import BufferedReader, TextIOWrapper
from pathlib import Path

TABLE_BYTES = 2 * 2**30
"""A larger table, list of pairs or exclusion file is refused; 20 million rows take less."""

JSON_BYTES = 2**30
"""A larger JSON file or log of a run is refused."""

SOURCE_BYTES = 16 * 2**20
"""A larger file of a plugin is refused."""

_PART = 2**20

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def require_file(path: Path) -> None:
    """Raise unless ``path`` is a regular file: to open a pipe may wait for ever, a device may act.

    Raises:
        OSError: there is nothing, or something else; its ``strerror`` says so.
    """
    require_regular(path.stat(), path)


def open_file(path: Path, limit: int, *, follow_links: bool = True) -> BufferedReader:
    """Open a regular file of at most ``limit`` bytes.

    Args:
        path: the file.
        limit: in bytes.
        follow_links: whether ``path`` may be a symbolic link; one in a folder of somebody else
            may lead out of it.

    Raises:
        OSError: it is something else, larger, or cannot be opened; its ``strerror`` says so.
    """
    return os.fdopen(_open(path, limit, follow_links=follow_links)[0], "rb")


def _open(path: Path, limit: int, *, follow_links: bool) -> tuple[int, int]:
    """A descriptor, and the size of the file in bytes."""
    require_regular(path.stat() if follow_links else path.lstat(), path)
    # What takes the file's place only now is not waited for, or followed, either.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    flags |= 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        require_regular(status, path, limit)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, status.st_size


def open_text(path: Path, limit: int, *, errors: str = "strict") -> TextIOWrapper:
    """Open a text file in UTF-8, with or without a byte-order mark; line ends stay as they are.

    Raises:
        OSError: as of :func:`open_file`.
    """
    return TextIOWrapper(open_file(path, limit), "utf-8-sig", errors=errors, newline="")


def read_file(path: Path, limit: int, *, follow_links: bool = True) -> bytes:
    """The content of a regular file of at most ``limit`` bytes; arguments as :func:`open_file`.

    Raises:
        OSError: as of :func:`open_file`.
    """
    # Without a buffered file, whose making takes as long as the reading of a photograph.
    descriptor, size = _open(path, limit, follow_links=follow_links)
    try:
        content = os.read(descriptor, size + 1)  # Python allocates as much as it is asked to read
        if len(content) != size:  # it grows, or it is a file of the system, which have no size
            parts = [content]
            left = limit + 1 - len(content)
            while left > 0 and (part := os.read(descriptor, min(left, _PART))):
                parts.append(part)
                left -= len(part)
            content = b"".join(parts)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise _too_large(path, limit)
    return content


def require_regular(status: os.stat_result, path: Path | bytes, limit: int | None = None) -> None:
    """Raise unless it is the status of a regular file, of at most ``limit`` bytes if there is one.

    Raises:
        OSError: its ``strerror`` says what it is.
    """
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise OSError(errno.EINVAL, f"it is {what}, not a file", os.fsdecode(path))
    if limit is not None and status.st_size > limit:
        raise _too_large(path, limit)


def _too_large(path: Path | bytes, limit: int) -> OSError:
    said = f"it has more than {limit:,} bytes, which are the most"
    return OSError(errno.EOVERFLOW, said, os.fsdecode(path))
