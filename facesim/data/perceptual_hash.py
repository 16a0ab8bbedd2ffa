"""Near-duplicate images, found by a perceptual hash."""

import logging
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesim.arrays import Int64Array
from facesim.atomic import replacing
from facesim.data.decoding import decode_image
from facesim.data.image_digests import Digests
from facesim.interfaces import FaceTable
from facesim.paths import cache_dir
from facesim.processes import ignore_progress

Hashes = npt.NDArray[np.uint8]
"""uint8 [N, 32], one 256-bit perceptual hash per row."""

MAX_DISTANCE = 12
"""Bits by which two hashes of one image may differ.

Aligned faces re-encoded as JPEG at quality 50 differ by at most 6 bits; of two different
photographs, one pair in ten thousand differs by fewer than 78.
"""

_MAX_GROUP = 256
"""Larger groups of equal bands are blank images; comparing all of them would take too long."""


def near_duplicates(left: Hashes, right: Hashes) -> Int64Array:
    """All (row of ``left``, row of ``right``) whose hashes differ by few bits.

    By the pigeonhole principle two hashes that differ in at most d bits agree in one of d + 1
    bands, so that only rows that share a band are compared.

    Returns:
        int64 [K, 2], sorted.
    """
    found: list[Int64Array] = []
    for bands in zip(_bands(left), _bands(right), strict=True):
        pairs = _candidates(*bands)
        differing = np.bitwise_count(left[pairs[:, 0]] ^ right[pairs[:, 1]]).sum(axis=1)
        found.append(pairs[differing <= MAX_DISTANCE])
    return np.unique(np.concatenate(found), axis=0)


def _bands(hashes: Hashes) -> list[Int64Array]:
    """The 256 bits split into d + 1 bands, each as one number per row."""
    bits = np.unpackbits(hashes, axis=1)
    return [
        band.astype(np.int64) @ (1 << np.arange(band.shape[1], dtype=np.int64))
        for band in np.array_split(bits, MAX_DISTANCE + 1, axis=1)
    ]


def _candidates(left: Int64Array, right: Int64Array) -> Int64Array:
    """(row, row) pairs with equal values, [K, 2]."""
    order = np.argsort(right, kind="stable")
    begin = np.searchsorted(right[order], left, "left")
    end = np.searchsorted(right[order], left, "right")
    counts = np.minimum(end - begin, _MAX_GROUP)
    rows = np.repeat(np.arange(len(left)), counts)
    within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return np.stack([rows, order[begin[rows] + within]], axis=1).astype(np.int64)


log = logging.getLogger(__name__)

_SIDE = 64
_FREQUENCIES = 16
_HASH_BYTES = _FREQUENCIES**2 // 8
_LUMA = np.array([0.299, 0.587, 0.114])
_FILES_AT_A_TIME = 256

_ANGLES = np.outer(np.arange(1, _FREQUENCIES + 1), 2 * np.arange(_SIDE) + 1)
_COSINES: npt.NDArray[np.float64] = np.cos(np.pi * _ANGLES / (2 * _SIDE))
"""Rows 1 to 16 of the discrete cosine transform; row 0 is the mean brightness."""


def perceptual_hashes(
    table: FaceTable, digests: Digests, advance: Callable[[int], None] = ignore_progress
) -> Hashes:
    """The hash of every image of a table, cached by content.

    Args:
        table: the images.
        digests: their contents, uint8 [N, 16].
        advance: called with the number of rows just done.

    Raises:
        DataError: an image cannot be decoded.
    """
    cache = _HashCache(cache_dir() / "perceptual-hashes-1.npz")
    contents, first_rows, of_rows, rows_each = np.unique(
        digests, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    hashes, known = cache.get_many(contents)
    advance(int(rows_each[known].sum()))
    missing = np.flatnonzero(~known)
    if len(missing):
        parts = np.split(missing, np.arange(_FILES_AT_A_TIME, len(missing), _FILES_AT_A_TIME))
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases Python's lock
            paths = [[table.path(int(row)) for row in first_rows[part]] for part in parts]
            for part, found in zip(parts, pool.map(_hash_files, paths), strict=True):
                hashes[part] = found
                advance(int(rows_each[part].sum()))
        cache.put_many(contents[missing], hashes[missing])
    return hashes[of_rows.ravel()]


def perceptual_hash(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The 16 x 16 lowest frequencies of an image, thresholded at their median.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Args:
        pixels: uint8 RGB [3, 64, 64].

    Returns:
        uint8 [32].
    """
    grey = np.tensordot(_LUMA, pixels, axes=1)
    spectrum = _COSINES @ grey @ _COSINES.T
    return np.packbits((spectrum > np.median(spectrum)).ravel())


def _hash_files(paths: list[Path]) -> Hashes:
    return np.stack([perceptual_hash(decode_image(path, (_SIDE, _SIDE)).numpy()) for path in paths])


class _HashCache:
    """Cache of hashes by content digest, in one file that is replaced as a whole.

    Of two processes that write at once the last one wins; the other's hashes are computed again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_many(self, digests: Digests) -> tuple[Hashes, npt.NDArray[np.bool_]]:
        """Hashes [N, 32], and which of them are cached [N]."""
        known_digests, known_hashes = self._load()
        hashes = np.zeros((len(digests), _HASH_BYTES), dtype=np.uint8)
        index = {digest.tobytes(): row for row, digest in enumerate(known_digests)}
        rows = np.array([index.get(digest.tobytes(), -1) for digest in digests], dtype=np.int64)
        hashes[rows >= 0] = known_hashes[rows[rows >= 0]]
        return hashes, rows >= 0

    def put_many(self, digests: Digests, hashes: Hashes) -> None:
        """Add hashes of new contents."""
        known_digests, known_hashes = self._load()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as file:
            np.savez(
                file,
                digests=np.concatenate([known_digests, digests]),
                hashes=np.concatenate([known_hashes, hashes]),
            )

    def _load(self) -> tuple[Digests, Hashes]:
        nothing = np.zeros((0, 16), np.uint8), np.zeros((0, _HASH_BYTES), np.uint8)
        if not self._path.exists():
            return nothing
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                digests, hashes = stored["digests"], stored["hashes"]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s is damaged (%s); the images are hashed again", self._path, error)
            return nothing
        fits = digests.shape == (len(hashes), 16) and hashes.shape[1:] == (_HASH_BYTES,)
        return (digests, hashes) if fits else nothing
