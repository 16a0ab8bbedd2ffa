"""Persistent cache of image-file digests."""

import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from facesim.console import warn_once
from facesim.folders import make_folder, new_file_mode
from facesim.locks import ProcessLock
from facesim.paths import CHECK_CACHE

log = logging.getLogger(__name__)

_BUSY_SECONDS = 60.0

_CREATE = """
    CREATE TABLE IF NOT EXISTS files (
        folder BLOB NOT NULL, name BLOB NOT NULL,
        signature BLOB NOT NULL, digest BLOB NOT NULL, checksum INTEGER NOT NULL,
        PRIMARY KEY (folder, name)
    ) WITHOUT ROWID
"""


class CachedDigest(NamedTuple):
    """The digest of one file as it was when it was last read.

    Attributes:
        folder: the folder's path, in the file system's bytes.
        name: the file's name in its folder, in the file system's bytes.
        signature: of its ``stat``; a file with another signature has to be read again.
        digest: 16 bytes, of its content.
    """

    folder: bytes
    name: bytes
    signature: bytes
    digest: bytes

    @property
    def checksum(self) -> int:
        """CRC-32 of the row; SQLite has none, and a flipped bit would come back as a digest."""
        return zlib.crc32(self.name + self.signature + self.digest)


class DigestCache:
    """A SQLite database of :class:`CachedDigest`, by folder.

    Several processes may read and write it at once (write-ahead log, with a busy timeout), and a
    kill loses at most the last batch of :meth:`put_many`. All of it can be computed again: a
    damaged database is deleted, with a warning, and one that cannot be written is read at most.

    Args:
        path: the database file; created, with its folder, where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_many(
        self, files: Iterable[tuple[bytes, bytes]]
    ) -> dict[tuple[bytes, bytes], CachedDigest]:
        """The cached digests of some files, by folder and name; of neighbours in a folder, too.

        None where the database cannot be read.
        """
        ranges: dict[bytes, tuple[bytes, bytes]] = {}
        for folder, name in files:
            first, last = ranges.get(folder, (name, name))
            ranges[folder] = min(first, name), max(last, name)
        try:
            with self._connection() as connection:
                return _selected(connection, ranges)
        except _DamagedError as damage:
            self._delete(damage)
        except (sqlite3.OperationalError, OSError):  # put_many will say so, if it is called
            with suppress(sqlite3.Error, OSError, _DamagedError):
                return self._read_as_it_is(ranges)
        return {}

    def put_many(self, files: Iterable[CachedDigest]) -> None:
        """Store the digests of some files in one transaction, where that can be written."""
        statement = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)"
        rows = [(*file, file.checksum) for file in files]
        try:
            with self._connection() as connection, connection:
                connection.executemany(statement, rows)
        except _DamagedError as damage:
            self._delete(damage)
        except (sqlite3.OperationalError, OSError) as error:
            warn_once(
                f"{self.path}: digests of images cannot be kept: {error}; every command reads all "
                f"images again. {CHECK_CACHE}"
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            make_folder(self.path.parent)
            if not self.path.exists():
                self.path.touch(new_file_mode(self.path.parent))
                with suppress(PermissionError):  # another user has made it just now
                    # Against the umask, where users share the folder; SQLite's own files follow it.
                    self.path.chmod(new_file_mode(self.path.parent))
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
            connection.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last transactions; the files are then read once more.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_CREATE)
            yield connection
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise _DamagedError(str(error)) from error
        finally:
            if connection is not None:
                connection.close()

    def _read_as_it_is(
        self, ranges: dict[bytes, tuple[bytes, bytes]]
    ) -> dict[tuple[bytes, bytes], CachedDigest]:
        """Read without the files that SQLite writes beside a database, even to read it.

        What another process has just written may be missing, or be there in part: every row has a
        checksum.
        """
        uri = f"file:{quote(bytes(self.path))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return _selected(connection, ranges)

    def _delete(self, damage: "_DamagedError") -> None:
        log.warning("%s is damaged (%s); the images are read again", self.path, damage)
        try:
            with ProcessLock(Path(f"{self.path}.lock")):
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            warn_once(f"{self.path}: cannot be removed: {error.strerror}. {CHECK_CACHE}")


def _selected(
    connection: sqlite3.Connection, ranges: dict[bytes, tuple[bytes, bytes]]
) -> dict[tuple[bytes, bytes], CachedDigest]:
    query = "SELECT * FROM files WHERE folder = ? AND name BETWEEN ? AND ?"
    found = (
        _checked(*row)
        for folder, names in ranges.items()
        for row in connection.execute(query, (folder, *names))
    )
    return {(file.folder, file.name): file for file in found}


class _DamagedError(Exception):
    """The database holds what was never written to it."""


def _checked(
    folder: bytes, name: bytes, signature: bytes, digest: bytes, checksum: int
) -> CachedDigest:
    try:
        file = CachedDigest(folder, name, signature, digest)
        intact = len(digest) == 16 and file.checksum == checksum
    except TypeError as error:
        raise _DamagedError(f"a row holds another type: {error}") from None
    if not intact:
        raise _DamagedError(f"the checksum of {os.fsdecode(name)!r} does not match")
    return file
