"""Folders and the permissions of what is made in them.

A folder with the setgid bit that its group may write is shared: its group may write what is made
in it, whatever the umask of the user.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_UMASK = os.umask(0)  # can only be read by setting it, so it is read once, before there are threads
os.umask(_UMASK)


def new_file_mode(folder: Path) -> int:
    """The permissions of a new file in a folder."""
    mode = 0o666 & ~_UMASK
    return mode | 0o060 if _is_shared(folder) else mode


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they do not exist.

    Raises:
        OSError: one cannot be made, or is a file.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    if _is_shared(folder.parent):
        with suppress(PermissionError):  # another process made it, of another user
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_ISGID | 0o070)


def make_public(folder: Path) -> None:
    """Give a private folder the permissions that :func:`make_folder` would have given it.

    Raises:
        OSError: it cannot be changed.
    """
    mode = 0o777 & ~_UMASK | folder.stat().st_mode & stat.S_ISGID
    folder.chmod(mode | stat.S_ISGID | 0o070 if _is_shared(folder.parent) else mode)


def _is_shared(folder: Path) -> bool:
    mode = folder.stat().st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)
