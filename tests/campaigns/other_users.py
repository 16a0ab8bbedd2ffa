"""Commands under another user: groups, what may be read, and what may be written."""

import ctypes
import os
import sysconfig
from pathlib import Path

READER, SHARER, GROUP = 60_001, 60_002, 60_010
"""Two users and their group, which need no entry in the system's lists."""

_KEEP_CAPABILITIES = 8  # of prctl
_DAC_READ_SEARCH = 1 << 2
_VERSION_3 = 0x20080522


def become(user: int) -> None:
    """Make this process one of a user who is not root, and of :data:`GROUP`.

    Where others may not read Python's own files, the process keeps the right to read everything,
    and no other.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    may_read_all = not _is_open_to_others(Path(sysconfig.get_path("stdlib")))
    if may_read_all:
        libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(GROUP, GROUP, GROUP)
    os.setresuid(user, user, user)
    if may_read_all:
        header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
        kept = (ctypes.c_uint32 * 6)(_DAC_READ_SEARCH, _DAC_READ_SEARCH, 0, 0, 0, 0)
        if libc.capset(header, kept):
            raise OSError(ctypes.get_errno(), "capset")
    os.environ["HOME"] = "/nonexistent"


def _is_open_to_others(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (folder, *folder.parents))


def give_to(user: int, folder: Path) -> None:
    """Make a user the owner of a folder and all that is in it."""
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, user, GROUP)
