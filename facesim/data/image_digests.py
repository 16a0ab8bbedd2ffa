"""Content digests of image files, cached for as long as a file is unchanged."""

import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesim.bounded import open_file, read_file
from facesim.data.decoding import MAX_FILE_BYTES
from facesim.data.digest_cache import CachedDigest, DigestCache
from facesim.errors import DataError
from facesim.interfaces import FaceTable
from facesim.paths import cache_dir
from facesim.processes import ignore_progress

Digests = npt.NDArray[np.uint8]
"""uint8 [N, 16], one digest per row."""

DIGEST_BYTES = 16

_FILES_AT_A_TIME = 2048

_SETTLED_NS = 2_000_000_000
"""A file that changes again within a tick of its clock, at most two seconds, looks unchanged."""


def image_digests(table: FaceTable, advance: Callable[[int], None] = ignore_progress) -> Digests:
    """The BLAKE2b digest of every image file of a table.

    A file is read again only if its size, modification time, change time or inode has changed; an
    unchanged one costs a ``stat``. The digests are cached in :func:`facesim.paths.cache_dir`.

    Args:
        table: the images; a file may be in several rows.
        advance: called with the number of rows just done.

    Returns:
        uint8 [N, 16], the digest of the file of each row.

    Raises:
        DataError: a file cannot be read; the text names it.
        FacesimError: the cache cannot be opened or written.
    """
    cache = DigestCache(cache_dir() / "image-digests-1.sqlite")
    digests = np.empty((len(table), DIGEST_BYTES), dtype=np.uint8)
    with ThreadPoolExecutor() as pool:
        for folders in _groups(_rows_by_folder(table)):
            known = cache.get_many(folders)
            rows = [(folder, row) for folder, inside in folders.items() for row in inside]
            for start in range(0, len(rows), _FILES_AT_A_TIME):
                part = rows[start : start + _FILES_AT_A_TIME]
                files = [
                    (folder, os.fsencode(table.files[row].rpartition("/")[2]))
                    for folder, row in part
                ]
                found = b"".join(file.digest for file in _digest_files(files, known, pool, cache))
                positions = [row for _, row in part]
                digests[positions] = np.frombuffer(found, np.uint8).reshape(-1, DIGEST_BYTES)
                advance(len(part))
    return digests


class TableDigests:
    """A table's images with their digests, which are computed on first use.

    Args:
        table: the images.
    """

    def __init__(self, table: FaceTable) -> None:
        self.table = table
        self._digests: Digests | None = None

    def get(self, advance: Callable[[int], None] = ignore_progress) -> Digests:
        """See :func:`image_digests`."""
        if self._digests is None:
            self._digests = image_digests(self.table, advance)
        return self._digests


def digest_file(path: Path) -> bytes:
    """The digest of one file as it is now, 16 bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return _digest(read_file(path, MAX_FILE_BYTES))
    except OSError as error:
        raise _unreadable(os.fsencode(path), error) from None


def _rows_by_folder(table: FaceTable) -> dict[bytes, list[int]]:
    folders: dict[str, list[int]] = {}
    for row, file in enumerate(table.files.tolist()):
        folders.setdefault(file.rpartition("/")[0], []).append(row)
    root = table.root.absolute()
    return {os.fsencode(root / inside): rows for inside, rows in folders.items()}


def _groups(folders: dict[bytes, list[int]]) -> Iterator[dict[bytes, list[int]]]:
    """Group small folders: a data set may have one for each of a hundred thousand people."""
    group: dict[bytes, list[int]] = {}
    rows = 0
    for folder, inside in folders.items():
        group[folder] = inside
        rows += len(inside)
        if rows >= _FILES_AT_A_TIME:
            yield group
            group, rows = {}, 0
    if group:
        yield group


def _digest_files(
    files: list[tuple[bytes, bytes]],
    known: dict[tuple[bytes, bytes], CachedDigest],
    pool: ThreadPoolExecutor,
    cache: DigestCache,
) -> list[CachedDigest]:
    """The digests of some files by folder and name, from the cache where it is still valid."""
    unread = {file for file in files if not _unchanged(b"/".join(file), known.get(file))}
    if unread:
        fresh = list(pool.map(_read, sorted(unread)))
        known.update(((file.folder, file.name), file) for file, _ in fresh)
        cache.put_many(file for file, settled in fresh if settled)
    return [known[file] for file in files]


def _unchanged(path: bytes, known: CachedDigest | None) -> bool:
    try:
        # A Path a file would cost several times the stat.
        return known is not None and _signature(os.stat(path)) == known.signature  # noqa: PTH116
    except OSError as error:
        raise _unreadable(path, error) from None


def _read(folder_and_name: tuple[bytes, bytes]) -> tuple[CachedDigest, bool]:
    """Read a file's digest, and whether the file is old enough that a later change will show."""
    path = b"/".join(folder_and_name)
    try:
        with open_file(Path(os.fsdecode(path)), MAX_FILE_BYTES) as file:
            before = os.fstat(file.fileno())
            digest = _digest(file.read(MAX_FILE_BYTES))
            after = os.fstat(file.fileno())
    except OSError as error:
        raise _unreadable(path, error) from None
    if _signature(before) != _signature(after):
        raise DataError(f"{os.fsdecode(path)}: it was being written to while it was read")
    settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS
    return CachedDigest(*folder_and_name, _signature(after), digest), settled


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _signature(status: os.stat_result) -> bytes:
    # The change time cannot be set back, as `cp -p` and `rsync -t` do with the modification time.
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return struct.pack("<qqqQ", status.st_size, *times, status.st_ino)


def _unreadable(path: bytes, error: OSError) -> DataError:
    return DataError(f"{os.fsdecode(path)}: cannot be read: {error.strerror}")
