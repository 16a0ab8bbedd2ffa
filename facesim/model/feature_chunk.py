"""One file of the trunk cache: rows of features, their images' digests, and checksums.

Layout: the rows; an index: the digests, 16 bytes each, and a CRC-32 of each digest and its row; a
footer. Little endian. The footer comes last and states all sizes, so that a truncated file is
detected.

In a compressed chunk each row is a Zstandard frame of its own, so that training reads rows in any
order, and the index also holds the position at which each frame ends. The checksums are those of
the rows themselves.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from facesim.atomic import replacing
from facesim.data.image_digests import DIGEST_BYTES, Digests
from facesim.host import available_cores

Rows = npt.NDArray[Any]
"""Features [n, ...], float16 or float32."""

SUFFIX = ".chunk"
COMPRESSED_SUFFIX = ".zchunk"
SUFFIXES = (SUFFIX, COMPRESSED_SUFFIX)

_MAGICS = {SUFFIX: b"FSCHUNK1", COMPRESSED_SUFFIX: b"FSCHUNKZ"}
_FOOTER = struct.Struct("<8sQQI")
_CHECKSUM = np.dtype("<u4")
_FRAME_END = np.dtype("<u8")

INDEX_BYTES = DIGEST_BYTES + _CHECKSUM.itemsize
"""Bytes per row in addition to its features."""

COMPRESSED_INDEX_BYTES = INDEX_BYTES + _FRAME_END.itemsize

FOOTER_BYTES = _FOOTER.size

_LEVEL = 1
"""Of Zstandard. On features after a ReLU, level 3 saves 1% more at half the speed."""

_SMALLEST_WINDOW = 2**10
"""Of Zstandard's format, in bytes."""

_MOST_THREADS = 4

A = TypeVar("A")
R = TypeVar("R")


class ChunkDamagedError(Exception):
    """A truncated or corrupted chunk."""


def has_zstandard() -> bool:
    """Whether compressed chunks can be written and read."""
    return find_spec("zstandard") is not None


def most_compressed_bytes(row_bytes: int) -> int:
    """The most that a row takes in a compressed chunk, if nothing in it repeats."""
    return row_bytes + row_bytes // 256 + 64


def in_threads(work: Callable[[A], R], items: Sequence[A]) -> list[R]:
    """Call a function that releases Python's lock for some items; the results in order."""
    threads = min(_MOST_THREADS, available_cores(), len(items))
    if threads < 2:
        return [work(item) for item in items]
    # Not kept: a process that was forked from this one would wait for threads that it lacks.
    with ThreadPoolExecutor(threads, thread_name_prefix="facesim-features") as pool:
        return list(pool.map(work, items))


def write_chunk(path: Path, digests: Digests, rows: Rows) -> None:
    """Write a chunk atomically, compressed if the path ends in :data:`COMPRESSED_SUFFIX`.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    rows = np.ascontiguousarray(rows)
    checksums = [_checksum(digest, row) for digest, row in zip(digests, rows, strict=True)]
    index = digests.tobytes() + np.array(checksums, _CHECKSUM).tobytes()
    parts = [rows.data]
    if path.suffix == COMPRESSED_SUFFIX:
        frames = in_threads(_compress, list(rows))
        index += np.cumsum([len(frame) for frame in frames], dtype=_FRAME_END).tobytes()
        parts = [memoryview(frame) for frame in frames]
    with replacing(path) as file:
        file.writelines(parts)
        file.write(index)
        file.write(_footer(_MAGICS[path.suffix], index, len(rows), rows.nbytes // len(rows)))


class Chunk:
    """A chunk on disk, open for reading.

    Its rows are mapped into memory when the first of them is read, and the checksum of a row is
    compared when this process reads it for the first time. Threads may share a chunk.

    Args:
        path: the file; one that ends in :data:`COMPRESSED_SUFFIX` is read with Zstandard.
        row_shape: of the features of one image.
        dtype: of the features.

    Attributes:
        digests: uint8 [n, 16], the image of each row.

    Raises:
        ChunkDamagedError: the file was cut short, or its index is not what was written.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path = path
        self._dtype = dtype
        row_bytes = int(np.prod(row_shape, dtype=np.int64)) * dtype.itemsize
        self.digests, self._checksums, self._ends = _read_index(path, row_bytes)
        self._shape = (len(self.digests), *row_shape)
        self._compared = np.zeros(len(self.digests), dtype=bool)

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def data_bytes(self) -> int:
        """What the rows take in the file, without the index."""
        rows = int(np.prod(self._shape, dtype=np.int64)) * self._dtype.itemsize
        return rows if self._ends is None else int(self._ends[-1])

    @property
    def is_compressed(self) -> bool:
        """Whether its rows are compressed."""
        return self._ends is not None

    def copy_row(self, row: int, out: Rows) -> None:
        """Copy the features of one row to a contiguous array of the row's shape.

        Raises:
            ChunkDamagedError: what was copied is not what was written.
            FileNotFoundError: the file has been removed.
        """
        if self._ends is None:
            rows = _mapped(self.path, self._shape, self._dtype)
            np.copyto(out, rows[row], casting="no")
        else:
            self._decompress(row, self._ends, out)
        if not self._compared[row]:
            self._compare(row, out)
            self._compared[row] = True

    def verify(self) -> None:
        """Compare every row with its checksum.

        Raises:
            ChunkDamagedError: one of them differs.
            FileNotFoundError: the file has been removed.
        """
        self._compared[:] = False
        features = np.empty(self._shape[1:], self._dtype)
        for row in range(len(self)):
            self.copy_row(row, features)

    def _decompress(self, row: int, ends: npt.NDArray[np.uint64], out: Rows) -> None:
        from zstandard import ZstdDecompressor, ZstdError

        frames = _mapped(self.path, (int(ends[-1]),), np.dtype(np.uint8))
        frame = frames[int(ends[row - 1]) if row else 0 : int(ends[row])]
        target = out.data.cast("B")
        # Whatever the frame says of itself, it is given no more memory than a row takes.
        decompressor = ZstdDecompressor(max_window_size=max(len(target), _SMALLEST_WINDOW))
        try:
            with decompressor.stream_reader(frame.data) as reader:
                is_whole = reader.readinto(target) == len(target) and not reader.read(1)
        except ZstdError as error:
            raise ChunkDamagedError(f"row {row} cannot be decompressed: {error}") from None
        if not is_whole:
            raise ChunkDamagedError(f"row {row} has another size than its features")

    def _compare(self, row: int, features: Rows) -> None:
        if _checksum(self.digests[row], features) != self._checksums[row]:
            raise ChunkDamagedError(f"the checksum of row {row} does not match")


@lru_cache(maxsize=128)
def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
    """Memory maps, bounded in number: each holds a file descriptor. Names are never reused."""
    try:
        return np.memmap(path, dtype, "r", shape=shape).view(np.ndarray)
    except ValueError as error:
        raise ChunkDamagedError(str(error)) from None


def _compress(row: Rows) -> bytes:
    from zstandard import ZstdCompressor

    return ZstdCompressor(level=_LEVEL).compress(row.data.cast("B"))


def _checksum(digest: Digests, row: Rows) -> int:
    """CRC-32 of digest and row, so that a row cannot pass for another image's."""
    return zlib.crc32(row.data, zlib.crc32(digest.data))


def _footer(magic: bytes, index: bytes, rows: int, row_bytes: int) -> bytes:
    checksum = zlib.crc32(index, zlib.crc32(struct.pack("<QQ", rows, row_bytes)))
    return _FOOTER.pack(magic, rows, row_bytes, checksum)


def _read_index(
    path: Path, row_bytes: int
) -> tuple[Digests, npt.NDArray[np.uint32], npt.NDArray[np.uint64] | None]:
    """Digests, checksums, and in a compressed chunk the end of each row's frame."""
    is_compressed = path.suffix == COMPRESSED_SUFFIX
    per_row = COMPRESSED_INDEX_BYTES if is_compressed else INDEX_BYTES
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - FOOTER_BYTES))
        footer = file.read(FOOTER_BYTES)
        rows = _FOOTER.unpack(footer)[1] if len(footer) == FOOTER_BYTES else 0
        data_bytes = size - FOOTER_BYTES - rows * per_row
        if rows < 1 or (data_bytes < rows if is_compressed else data_bytes != rows * row_bytes):
            raise ChunkDamagedError(f"a whole chunk cannot have {size} bytes")
        file.seek(data_bytes)
        index = file.read(rows * per_row)
    if footer != _footer(_MAGICS[path.suffix], index, rows, row_bytes):
        raise ChunkDamagedError("its index does not match the footer")
    digests = np.frombuffer(index, np.uint8, rows * DIGEST_BYTES).reshape(rows, DIGEST_BYTES)
    checksums = np.frombuffer(index, _CHECKSUM, rows, digests.nbytes)
    if not is_compressed:
        return digests, checksums, None
    ends = np.frombuffer(index, _FRAME_END, rows, digests.nbytes + checksums.nbytes)
    if ends[-1] != data_bytes or (ends[1:] <= ends[:-1]).any():
        raise ChunkDamagedError("its index names places outside of it")
    return digests, checksums, ends
