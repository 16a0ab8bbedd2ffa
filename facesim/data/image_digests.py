"""Content digests of image files, cached for as long as a file is unchanged."""

import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facesim.bounded import read_file, require_regular
from facesim.data.decoding import MAX_FILE_BYTES
from facesim.data.digest_cache import CachedDigest, DigestCache
from facesim.errors import DataError
from facesim.machine_errors import why_unread
from facesim.paths import cache_dir
from facesim.reporters import ignore_progress
from facesim.worker_processes import worker_pool

if TYPE_CHECKING:  # it would import torch, and `facesim cache list` with it
    from facesim.interfaces import FaceTable

Digests = npt.NDArray[np.uint8]
"""uint8 [N, 16], one digest per row."""

DIGEST_BYTES = 16

_FILES_AT_A_TIME = 8192
_FILES_PER_THREAD = 32  # all open at once; fewer would wait for Python's lock
_THREADS = 4

_WORTH_PROCESSES = 16_384
"""Files from which on starting processes takes less time than it saves."""

_SETTLED_NS = 2_000_000_000
"""A file that changes again within a tick of its clock, at most two seconds, looks unchanged."""


def image_digests(table: "FaceTable", advance: Callable[[int], None] = ignore_progress) -> Digests:
    """The BLAKE2b digest of every image file of a table.

    A file is read again only if its size, modification time, change time or inode has changed; an
    unchanged one costs a ``stat``. The digests are cached in :func:`facesim.paths.cache_dir`. Many
    files are read by several processes.

    Args:
        table: the images; a file may be in several rows.
        advance: called with the number of rows just done.

    Returns:
        uint8 [N, 16], the digest of the file of each row.

    Raises:
        DataError: a file cannot be read; the text names it.
        MachineError: a process that reads files was killed.
    """
    files = table.files
    # By folder, and by name within it: neighbours in the cache as well.
    order = np.arange(len(files)) if (files[:-1] <= files[1:]).all() else np.argsort(files)
    parts = np.split(order, np.arange(_FILES_AT_A_TIME, len(order), _FILES_AT_A_TIME))
    read = partial(_digests_of, table.root.absolute())
    digests = np.empty((len(table), DIGEST_BYTES), dtype=np.uint8)
    with _mapped(read, (files[part] for part in parts), len(files)) as found:
        for part, content in zip(parts, found, strict=True):
            digests[part] = np.frombuffer(content, np.uint8).reshape(-1, DIGEST_BYTES)
            advance(len(part))
    return digests


@contextmanager
def _mapped(
    read: Callable[[npt.NDArray[Any]], bytes], parts: Iterator[npt.NDArray[Any]], files: int
) -> Iterator[Iterator[bytes]]:
    """``map(read, parts)``, in processes where there are many files."""
    if files < _WORTH_PROCESSES:
        yield map(read, parts)
        return
    with worker_pool(8, "reads images") as pool:
        yield pool.map(read, parts)


class TableDigests:
    """A table's images with their digests, which are computed on first use.

    Args:
        table: the images.
    """

    def __init__(self, table: "FaceTable") -> None:
        self.table = table
        self._digests: Digests | None = None
        self._keys: Digests | None = None

    def get(self, advance: Callable[[int], None] = ignore_progress) -> Digests:
        """See :func:`image_digests`."""
        if self._digests is None:
            self._digests = image_digests(self.table, advance)
        return self._digests

    def keys(self) -> Digests:
        """What the pixels of each row depend on, the preprocessing apart, uint8 [N, 16].

        The digest of the image; where faces are aligned, of it and of the place of its crop.
        """
        placements = self.table.placements
        if placements is None:
            return self.get()
        if self._keys is None:
            parts = zip(self.get(), placements.astype("<f8"), strict=True)
            keys = b"".join(_digest(image.tobytes() + place.tobytes()) for image, place in parts)
            self._keys = np.frombuffer(keys, np.uint8).reshape(-1, DIGEST_BYTES)
        return self._keys

    def require_unchanged(self, row: int, remedy: str, content: bytes | None = None) -> None:
        """Raise if the image of a row is not the one any more whose digest was computed.

        Args:
            row: of the table.
            remedy: what is wrong, and what to do.
            content: of the file, where it has been read.

        Raises:
            DataError: with the remedy.
        """
        path = self.table.path(row)
        digest = digest_file(path) if content is None else _digest(content)
        if digest != self.get()[row].tobytes():
            raise DataError(f"{path}: {remedy}")


def digest_file(path: Path) -> bytes:
    """The digest of one file as it is now, 16 bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return _digest(read_file(path, MAX_FILE_BYTES))
    except OSError as error:
        raise _unreadable(os.fsencode(path), error) from None


def _digests_of(root: Path, files: npt.NDArray[Any]) -> bytes:
    """The digests of some files, from the cache where they are still valid: 16 bytes for each."""
    located = _located(root, files)
    cache = DigestCache(cache_dir() / "image-digests-1.sqlite")
    known = cache.get_many(located)
    unread = sorted({file for file in located if not _unchanged(b"/".join(file), known.get(file))})
    if unread:
        starts = range(0, len(unread), _FILES_PER_THREAD)
        parts = [unread[start : start + _FILES_PER_THREAD] for start in starts]
        with ThreadPoolExecutor(_THREADS) as pool:  # hides the latency of a disk
            fresh = [each for part in pool.map(_read_all, parts) for each in part]
        known.update(((file.folder, file.name), file) for file, _ in fresh)
        cache.put_many(file for file, settled in fresh if settled)
    return b"".join([known[file].digest for file in located])


def _located(root: Path, files: npt.NDArray[Any]) -> list[tuple[bytes, bytes]]:
    """Folder and name of each file."""
    folders: dict[bytes, bytes] = {}
    located = []
    for file in os.fsencode("\0".join(files.tolist())).split(b"\0"):
        inside, _, name = file.rpartition(b"/")
        folder = folders.get(inside)
        if folder is None:
            folder = folders[inside] = os.fsencode(root / os.fsdecode(inside))
        located.append((folder, name))
    return located


def _unchanged(path: bytes, known: CachedDigest | None) -> bool:
    try:
        # A Path a file would cost several times the stat.
        return known is not None and _signature(os.stat(path)) == known.signature  # noqa: PTH116
    except OSError as error:
        raise _unreadable(path, error) from None


def _read_all(files: list[tuple[bytes, bytes]]) -> list[tuple[CachedDigest, bool]]:
    """For each file its digest, and whether it is old enough that a later change will show.

    All are opened before the first is read, so that the disk fetches the next ones meanwhile.
    """
    opened: list[tuple[os.stat_result, int]] = []
    try:
        opened.extend(_open(b"/".join(file)) for file in files)
        return [_read(file, *each) for file, each in zip(files, opened, strict=True)]
    finally:
        for _, descriptor in opened:
            os.close(descriptor)


def _open(path: bytes) -> tuple[os.stat_result, int]:
    try:
        # As open_file() and in its order, but a Path and a buffer would double the time.
        before = os.stat(path)  # noqa: PTH116
        require_regular(before, path, MAX_FILE_BYTES)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _unreadable(path, error) from None
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # advice, which some file systems do not take
            os.posix_fadvise(descriptor, 0, before.st_size, os.POSIX_FADV_WILLNEED)
    return before, descriptor


def _read(
    folder_and_name: tuple[bytes, bytes], before: os.stat_result, descriptor: int
) -> tuple[CachedDigest, bool]:
    path = b"/".join(folder_and_name)
    try:
        digest = _digest(_content(descriptor, before.st_size))
        after = os.fstat(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from None
    if _signature(before) != _signature(after):
        raise DataError(f"{os.fsdecode(path)}: it was being written to while it was read")
    settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS
    return CachedDigest(*folder_and_name, _signature(after), digest), settled


def _content(descriptor: int, size: int) -> bytes:
    """What is left to read of a file that should have ``size`` bytes."""
    parts = []
    left = size
    while left and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _signature(status: os.stat_result) -> bytes:
    # The change time cannot be set back, as `cp -p` and `rsync -t` do with the modification time.
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return struct.pack("<qqqQ", status.st_size, *times, status.st_ino)


def _unreadable(path: bytes, error: OSError) -> DataError:
    return DataError(f"{os.fsdecode(path)}: {why_unread(error)}")
