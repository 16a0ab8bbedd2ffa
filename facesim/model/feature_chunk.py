"""One file of the trunk cache: rows of features, their images' digests, and checksums.

Layout: the rows; the digests, 16 bytes each; a CRC-32 of each digest and its row; a footer. Little
endian. The footer comes last and states all sizes, so that a truncated file is detected.
"""

import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facesim.atomic import replacing
from facesim.data.image_digests import DIGEST_BYTES, Digests

Rows = npt.NDArray[Any]
"""Features [n, ...], float16 or float32."""

SUFFIX = ".chunk"

_MAGIC = b"FSCHUNK1"
_FOOTER = struct.Struct("<8sQQI")
_CHECKSUM = np.dtype("<u4")

INDEX_BYTES = DIGEST_BYTES + _CHECKSUM.itemsize
"""Bytes per row in addition to its features."""

FOOTER_BYTES = _FOOTER.size


class ChunkDamagedError(Exception):
    """A truncated or corrupted chunk."""


def write_chunk(path: Path, digests: Digests, rows: Rows) -> None:
    """Write a chunk atomically.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    rows = np.ascontiguousarray(rows)
    checksums = [_checksum(digest, row) for digest, row in zip(digests, rows, strict=True)]
    index = digests.tobytes() + np.array(checksums, _CHECKSUM).tobytes()
    row_bytes = rows.nbytes // len(rows)
    with replacing(path) as file:
        file.write(rows.data)
        file.write(index)
        file.write(_footer(index, len(rows), row_bytes))


class Chunk:
    """A chunk on disk, open for reading.

    Its rows are mapped into memory when the first of them is read, and the checksum of a row is
    compared when this process reads it for the first time.

    Args:
        path: the file.
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
        self.digests, self._checksums = _read_index(path, _row_bytes(row_shape, dtype))
        self._shape = (len(self.digests), *row_shape)
        self._compared = np.zeros(len(self.digests), dtype=bool)

    def __len__(self) -> int:
        return len(self.digests)

    def copy_row(self, row: int, out: Rows) -> None:
        """Copy the features of one row to an array of the row's shape.

        Raises:
            ChunkDamagedError: what was copied is not what was written.
            FileNotFoundError: the file has been removed.
        """
        np.copyto(out, self._map()[row], casting="no")
        if not self._compared[row]:
            self._compare(row, out)
            self._compared[row] = True

    def verify(self) -> None:
        """Compare every row with its checksum.

        Raises:
            ChunkDamagedError: one of them differs.
            FileNotFoundError: the file has been removed.
        """
        for row, features in enumerate(self._map()):
            self._compare(row, features)

    def _map(self) -> Rows:
        return _mapped(self.path, self._shape, self._dtype)

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


def _row_bytes(row_shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return int(np.prod(row_shape, dtype=np.int64)) * dtype.itemsize


def _checksum(digest: Digests, row: Rows) -> int:
    """CRC-32 of digest and row, so that a row cannot pass for another image's."""
    return zlib.crc32(row.data, zlib.crc32(digest.data))


def _footer(index: bytes, rows: int, row_bytes: int) -> bytes:
    checksum = zlib.crc32(index, zlib.crc32(struct.pack("<QQ", rows, row_bytes)))
    return _FOOTER.pack(_MAGIC, rows, row_bytes, checksum)


def _read_index(path: Path, row_bytes: int) -> tuple[Digests, npt.NDArray[np.uint32]]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        rows, rest = divmod(size - FOOTER_BYTES, row_bytes + INDEX_BYTES)
        if rows < 1 or rest:
            raise ChunkDamagedError(f"a whole chunk cannot have {size} bytes")
        file.seek(rows * row_bytes)
        index = file.read(rows * INDEX_BYTES)
        if file.read() != _footer(index, rows, row_bytes):
            raise ChunkDamagedError("its index does not match the footer")
    digests = np.frombuffer(index, np.uint8, rows * DIGEST_BYTES).reshape(rows, DIGEST_BYTES)
    return digests, np.frombuffer(index, _CHECKSUM, offset=digests.nbytes)
