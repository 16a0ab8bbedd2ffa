"""Features on disk by image digest: the storage of the trunk cache."""

import errno
import logging
import shutil
import tempfile
import threading
import uuid
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesim.arrays import Int64Array
from facesim.atomic import ORPHANED_SECONDS, remove_leftovers
from facesim.data.image_digests import Digests
from facesim.errors import FacesimError, count
from facesim.folders import make_folder
from facesim.model.feature_chunk import (
    COMPRESSED_INDEX_BYTES,
    COMPRESSED_SUFFIX,
    FOOTER_BYTES,
    INDEX_BYTES,
    SUFFIX,
    SUFFIXES,
    Chunk,
    ChunkDamagedError,
    Rows,
    has_zstandard,
    in_threads,
    most_compressed_bytes,
    write_chunk,
)
from facesim.model.feature_index import ROW_BITS, FeatureIndex, sortable

log = logging.getLogger(__name__)

_CHUNK_BYTES = 64 * 2**20
_CHUNK_ROWS = 512
"""A kill loses the chunk being filled, so chunks of small rows are limited to this many images."""

_ROWS_PER_THREAD = 16
"""Of compressed features, which take some 0.4 ms each to read; a thread takes 0.1 ms to start."""

_ROW_MASK = (1 << ROW_BITS) - 1


class StoreUnwritableError(FacesimError):
    """A store that takes no further features: a full disk, a folder of another user, ..."""


class MissingFeaturesError(Exception):
    """Requested features that are not, or no longer, in the store.

    Attributes:
        indices: int64 [m], positions in the request.
    """

    def __init__(self, indices: Int64Array) -> None:
        super().__init__(f"the features of {count(len(indices), 'image')} are not in the store")
        self.indices = indices


@dataclass(frozen=True)
class Verification:
    """What :meth:`FeatureStore.verify` found.

    Attributes:
        chunks: number of intact chunks.
        rows: number of rows in them.
        dropped: names of the damaged chunks that this store has removed so far.
        unreadable: what could not be read, or is damaged and cannot be removed, and why.
    """

    chunks: int
    rows: int
    dropped: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


class FeatureStore:
    """A folder of chunks, files that are written atomically and never change.

    The folder listing is the only index, so that an interruption cannot leave anything else
    half-written. Any number of processes may append while others read: each sees the
    chunks of the others after :meth:`refresh`. A chunk that is found damaged is removed with a
    warning, and its rows are missing from then on; a wrong row is never returned. Threads may
    share a store.

    Args:
        folder: created with the first chunk.
        row_shape: of the features of one image.
        dtype: of the features, float16 or float32.
        compressed: whether chunks are compressed from now on, without loss. A folder may hold
            compressed chunks and others; either kind of store reads both.

    Raises:
        FacesimError: it is to compress, and the package that does it is not installed.
    """

    def __init__(
        self,
        folder: Path,
        row_shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        *,
        compressed: bool = False,
    ) -> None:
        if compressed and not has_zstandard():
            raise FacesimError(
                'compressed features need the package zstandard: pip install "facesim[zstd]", or '
                "write `trunk_cache: float16`"
            )
        self.folder = folder
        self.compressed = compressed
        self.row_shape = row_shape
        self.dtype = np.dtype(dtype)
        self.row_bytes = int(np.prod(row_shape, dtype=np.int64)) * self.dtype.itemsize
        self._lock = threading.Lock()
        self._chunks: list[Chunk | None] = []
        self._numbers: dict[str, int] = {}
        self._dropped: list[str] = []
        self._unreadable: dict[str, str] = {}
        self._index = FeatureIndex([])
        self.refresh()

    @property
    def rows_per_chunk(self) -> int:
        """The maximum number of rows per :meth:`append`."""
        return max(1, min(_CHUNK_ROWS, _CHUNK_BYTES // self.row_bytes))

    def __len__(self) -> int:
        """The number of images in the store, as of the last refresh."""
        return len(self._index)

    def refresh(self) -> None:
        """Pick up what other processes have added or removed."""
        with self._lock:
            names = {path.name for path in self._files()} - self._unreadable.keys()
            gone = self._numbers.keys() - names
            new = sorted(names - self._numbers.keys())
            for name in gone:
                self._chunks[self._numbers.pop(name)] = None
            for name in new:
                self._open(name)
            if gone or new:
                self._index = FeatureIndex(self._chunks)

    def locate(self, digests: Digests) -> Int64Array:
        """Where the features of images are.

        Args:
            digests: uint8 [N, 16].

        Returns:
            int64 [N], positions for :meth:`read`, -1 where there are none. A position stays valid
            as long as this object lives, or becomes missing; it never means another image.
        """
        return self._index.locate(digests)

    def missing(self, digests: Digests) -> Int64Array:
        """Refresh, and find which images have no features yet.

        Args:
            digests: uint8 [N, 16], in which one image may stand several times.

        Returns:
            int64 [M], ascending: the first row of each missing image.
        """
        self.refresh()
        absent = np.flatnonzero(self.locate(digests) < 0)
        _, first = np.unique(sortable(digests[absent]), return_index=True)
        return absent[np.sort(first)]

    def read(self, positions: Int64Array, out: Rows | None = None) -> Rows:
        """Gather features.

        Args:
            positions: int64 [B], from :meth:`locate`.
            out: [B, *row_shape], filled and returned; a new array by default. Fresh memory costs
                more than the copying, so that a caller in a hurry passes the same one again.

        Raises:
            MissingFeaturesError: some are not there, or were damaged and have been dropped. All
                other rows of ``out`` are right.
        """
        if out is None:
            out = np.empty((len(positions), *self.row_shape), self.dtype)
        order = np.argsort(positions)

        def copy(indices: Int64Array) -> list[int]:
            wanted = zip(indices.tolist(), positions[indices].tolist(), strict=True)
            return [index for index, position in wanted if not self._copy(position, out[index])]

        has_compressed = any(chunk is not None and chunk.is_compressed for chunk in self._chunks)
        parts = len(order) // _ROWS_PER_THREAD if has_compressed else 1
        missing = in_threads(copy, np.array_split(order, max(1, parts)))
        if any(missing):
            raise MissingFeaturesError(np.array(sorted(chain(*missing)), dtype=np.int64))
        return out

    def append(self, digests: Digests, rows: Rows) -> None:
        """Add one chunk; it is on the disk when this returns.

        Args:
            digests: uint8 [n, 16], n at least 1 and at most :attr:`rows_per_chunk`.
            rows: [n, *row_shape] of the store's dtype.

        Raises:
            StoreUnwritableError: the disk is full or cannot be written. What was there stays.
        """
        if rows.dtype != self.dtype or rows.shape != (len(digests), *self.row_shape):
            raise ValueError(f"{rows.dtype} {rows.shape} into {self.dtype} {self.row_shape}")
        try:
            make_folder(self.folder)
            suffix = COMPRESSED_SUFFIX if self.compressed else SUFFIX
            write_chunk(self.folder / f"{uuid.uuid4().hex}{suffix}", digests, rows)
        except OSError as error:
            raise self.unwritable(error) from error
        self.refresh()

    @property
    def compressed_share(self) -> float | None:
        """Bytes of this store's compressed features per byte of theirs; None before the first."""
        chunks = [chunk for chunk in self._chunks if chunk is not None and chunk.is_compressed]
        rows = sum(map(len, chunks))
        return sum(chunk.data_bytes for chunk in chunks) / (rows * self.row_bytes) if rows else None

    def bytes_needed(self, images: int) -> int:
        """Bytes on disk of the features of this many images.

        What compressed features will take is estimated from those that the store holds. Before it
        holds any, this is the size that compression never exceeds.
        """
        chunks = -(-images // self.rows_per_chunk)
        if not self.compressed:
            return images * (self.row_bytes + INDEX_BYTES) + chunks * FOOTER_BYTES
        share, most = self.compressed_share, most_compressed_bytes(self.row_bytes)
        row_bytes = COMPRESSED_INDEX_BYTES + (most if share is None else share * self.row_bytes)
        return round(images * row_bytes) + chunks * FOOTER_BYTES

    def require_space(self, images: int) -> None:
        """Check, before the first image, that the features of all can be written.

        Where nothing tells how well they compress, this is asked of one chunk only.

        Raises:
            StoreUnwritableError: they cannot, or do not fit on the disk.
        """
        try:
            make_folder(self.folder)
            with tempfile.TemporaryFile(dir=self.folder):
                free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise self.unwritable(error) from error
        if self.compressed and self.compressed_share is None:
            images = min(images, self.rows_per_chunk)
        needed = self.bytes_needed(images)
        if needed > free:
            raise StoreUnwritableError(
                f"{self.folder}: the features of {images:,} images take {needed / 1e9:.2f} GB and "
                f"the disk has {free / 1e9:.2f} GB left; free some (`facesim cache prune`), or let "
                "FACESIM_CACHE name a folder on a larger disk"
            )

    def remove_leftovers(self) -> None:
        """Remove temporary files of killed processes that are an hour old or more."""
        remove_leftovers(self.folder, ORPHANED_SECONDS)

    def size_bytes(self) -> int:
        """Size of the store on disk, in bytes."""
        return sum(path.stat().st_size for path in self._files())

    def verify(self) -> Verification:
        """Verify all checksums; damaged chunks are dropped."""
        self.refresh()
        for chunk in list(self._chunks):
            if chunk is not None:
                try:
                    chunk.verify()
                except (ChunkDamagedError, OSError) as error:
                    self._drop(chunk, error)
        whole = [chunk for chunk in self._chunks if chunk is not None]
        unreadable = tuple(f"{name} {reason}" for name, reason in self._unreadable.items())
        return Verification(len(whole), sum(map(len, whole)), tuple(self._dropped), unreadable)

    def _files(self) -> list[Path]:
        return [path for suffix in SUFFIXES for path in self.folder.glob(f"*{suffix}")]

    def _copy(self, position: int, out: Rows) -> bool:
        chunk = self._chunks[position >> ROW_BITS] if position >= 0 else None
        if chunk is None:
            return False
        try:
            chunk.copy_row(position & _ROW_MASK, out)
        except (ChunkDamagedError, OSError) as error:
            self._drop(chunk, error)
            return False
        return True

    def _drop(self, chunk: Chunk, error: ChunkDamagedError | OSError) -> None:
        """Go on without a chunk that is damaged, unreadable, or removed by another process."""
        self._forget(chunk.path, error)
        self.refresh()

    def _open(self, name: str) -> None:
        """Open a new chunk; the lock is held."""
        path = self.folder / name
        if path.suffix == COMPRESSED_SUFFIX and not has_zstandard():
            self._pass_over(path, "is compressed, and reading it needs `pip install facesim[zstd]`")
            return
        try:
            chunk = Chunk(path, self.row_shape, self.dtype)
        except (ChunkDamagedError, OSError) as error:
            self._forget(path, error)
        else:
            self._numbers[name] = len(self._chunks)
            self._chunks.append(chunk)

    def _forget(self, path: Path, error: ChunkDamagedError | OSError) -> None:
        """Remove a damaged chunk; one that cannot be read or removed is passed over from now on.

        Raises:
            OSError: it is this process that may open no more files, or has no memory.
        """
        if isinstance(error, FileNotFoundError):
            return
        if isinstance(error, OSError):
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise error
            reason = f"cannot be read: {error.strerror}"
        else:
            try:
                path.unlink()
            except FileNotFoundError:  # another thread or process was first, and has said so
                return
            except OSError as refusal:
                reason = f"is damaged ({error}) and cannot be removed: {refusal.strerror}"
            else:
                log.warning("%s is damaged (%s); its images are computed again", path, error)
                self._dropped.append(path.name)
                return
        self._pass_over(path, reason)

    def _pass_over(self, path: Path, reason: str) -> None:
        log.warning("%s %s; its images are computed again", path, reason)
        self._unreadable[path.name] = reason

    def unwritable(self, error: OSError) -> StoreUnwritableError:
        """The error of a store that cannot be written, with what helps."""
        root = self.folder.parent  # the same words for every store
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StoreUnwritableError(
                f"{root}: the disk is full; what was written is kept, and the next run goes on "
                "from there. Free some space (`facesim cache prune`), or let FACESIM_CACHE name a "
                "folder on a larger disk"
            )
        return StoreUnwritableError(
            f"{root}: cannot be written: {error.strerror}; make it accessible, or let "
            "FACESIM_CACHE name another folder"
        )
