"""Near-duplicate search by perceptual hash."""

import numpy as np
import numpy.typing as npt

from facesim.arrays import Int64Array

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
