"""Persistent cache of image-file digests."""

import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from facesim.errors import FacesimError

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
    damaged database is deleted, with a warning.

    Args:
        path: the database file; created, with its folder, where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_many(
        self, files: Iterable[tuple[bytes, bytes]]
    ) -> dict[tuple[bytes, bytes], CachedDigest]:
        """The cached digests of some files, by folder and name; of neighbours in a folder, too.

        Raises:
            FacesimError: the database cannot be opened or stays locked.
        """
        ranges: dict[bytes, tuple[bytes, bytes]] = {}
        for folder, name in files:
            first, last = ranges.get(folder, (name, name))
            ranges[folder] = min(first, name), max(last, name)
        query = "SELECT * FROM files WHERE folder = ? AND name BETWEEN ? AND ?"
        try:
            with self._connection() as connection:
                found = (
                    _checked(*row)
                    for folder, names in ranges.items()
                    for row in connection.execute(query, (folder, *names))
                )
                return {(file.folder, file.name): file for file in found}
        except _DamagedError as damage:
            self._delete(damage)
            return {}

    def put_many(self, files: Iterable[CachedDigest]) -> None:
        """Store the digests of some files, in one transaction.

        Raises:
            FacesimError: the database cannot be written or stays locked.
        """
        statement = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)"
        rows = [(*file, file.checksum) for file in files]
        try:
            with self._connection() as connection, connection:
                connection.executemany(statement, rows)
        except _DamagedError as damage:
            self._delete(damage)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
            connection.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last transactions; the files are then read once more.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_CREATE)
            yield connection
        except (sqlite3.OperationalError, OSError) as error:
            raise FacesimError(
                f"{self.path}: the cache of image digests cannot be used: {error}; check the disk "
                "and the permissions, or let FACESIM_CACHE name another folder"
            ) from error
        except sqlite3.DatabaseError as error:
            raise _DamagedError(str(error)) from error
        finally:
            if connection is not None:
                connection.close()

    def _delete(self, damage: "_DamagedError") -> None:
        log.warning("%s is damaged (%s); the images are read again", self.path, damage)
        with FileLock(f"{self.path}.lock"):
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)


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
