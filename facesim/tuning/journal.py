"""The journal of a study: a file of JSON lines, each with a checksum, that Optuna can read too."""

import json
import os
import re
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import BaseJournalBackend

from facesim.errors import DataError

_CHECKED = re.compile(rb'(\{.*),"crc":"([0-9a-f]{8})"\}\n', re.DOTALL)


class CheckedJournal(BaseJournalBackend):
    """A journal whose damage is noticed, and whose lock the system releases with its holder.

    Each line ends with the CRC-32 of its offset in the file and of its content, so that a line that
    was changed, lost or put elsewhere is named. Lines without one, of Optuna's own backend or of
    before, are taken as they stand.

    Optuna's own locks are files that a killed process leaves behind. They are taken from their
    holder after a grace period of half a minute, whether it is dead or slow, and two writers at
    once corrupt the journal. Here, whoever acquires the lock also cuts off the line that a killed
    writer left half written.

    Args:
        path: absolute path of the file; it is created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Not `journal.log.lock`: a tool that opens the study with Optuna's locks makes that one.
        self._held = FileLock(path.with_name(f".{path.name}.held"))
        self._offsets = [0]  # of the lines that have been read, and of the next one
        path.touch()
        with self._held:
            cut_torn_line(path)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:
        """The entries from a number on, up to a line that is just being written.

        Raises:
            DataError: a line is damaged.
        """
        number = min(log_number_from, len(self._offsets) - 1)
        with self._path.open("rb") as file:
            file.seek(self._offsets[number])
            while (line := file.readline()).endswith(b"\n"):
                entry = self._entry(line, number)
                number += 1
                if number == len(self._offsets):
                    self._offsets.append(self._offsets[-1] + len(line))
                if number > log_number_from:
                    yield entry

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Append entries and flush them to the disk.

        Raises:
            OSError: they cannot be written; the journal is as before.
        """
        with self._held:
            end = cut_torn_line(self._path)
            content = b""
            for log in logs:
                body = json.dumps(log, separators=(",", ":")).encode()[:-1]
                content += body + b',"crc":"%08x"}\n' % _checksum(body, end + len(content))
            with self._path.open("ab", buffering=0) as file:
                try:
                    left = content
                    while left:  # a full disk takes a part, and refuses the next
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(end)
                    raise

    def _entry(self, line: bytes, number: int) -> dict[str, Any]:
        checked = _CHECKED.fullmatch(line)
        if checked is None or int(checked[2], 16) == _checksum(checked[1], self._offsets[number]):
            try:
                entry: dict[str, Any] = json.loads(line)
            except ValueError:
                pass
            else:
                entry.pop("crc", None)
                return entry
        raise DataError(
            f"{self._path}: line {number + 1} is damaged; restore the file from a copy, or delete "
            "this line and those after it: the trials before it stay, the others are trained again"
        )


def _checksum(body: bytes, offset: int) -> int:
    return zlib.crc32(body, zlib.crc32(b"%d " % offset))


def cut_torn_line(journal: Path) -> int:
    """Shorten a file to its last newline, and return its length; only who holds the lock may."""
    with journal.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        whole = _end_of_last_line(file.fileno(), end)
        if whole < end:
            file.truncate(whole)
            os.fsync(file.fileno())
        return whole


def _end_of_last_line(descriptor: int, end: int) -> int:
    """Where the last newline before ``end`` ends; 0 if there is none."""
    while end > 0:
        begin = max(end - 4096, 0)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0
