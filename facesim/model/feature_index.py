"""Index of the trunk cache: which chunk and row hold the features of an image."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facesim.arrays import Int64Array
from facesim.data.image_digests import Digests
from facesim.model.feature_chunk import Chunk

ROW_BITS = 32
"""Bits of a position that hold the row; those above hold the number of the chunk."""


class FeatureIndex:
    """Immutable sorted digests with the location of their features.

    Args:
        chunks: the open chunks; None where one has been removed.
    """

    def __init__(self, chunks: Sequence[Chunk | None]) -> None:
        present = [(n, chunk) for n, chunk in enumerate(chunks) if chunk is not None]
        digests = [chunk.digests for _, chunk in present]
        positions = [np.arange(len(chunk)) + (n << ROW_BITS) for n, chunk in present]
        ordered = sortable(np.concatenate(digests)) if digests else np.empty(0, "S16")
        # An image that two processes computed is in two chunks; the first is used.
        self._digests, first = np.unique(ordered, return_index=True)
        self._positions = np.concatenate(positions)[first] if positions else np.empty(0, np.int64)

    def __len__(self) -> int:
        """The number of different images."""
        return len(self._digests)

    def locate(self, digests: Digests) -> Int64Array:
        """Where the features of images are.

        Args:
            digests: uint8 [N, 16].

        Returns:
            int64 [N], the number of a chunk in the upper bits and the row in the lower, or -1.
        """
        if not len(self):
            return np.full(len(digests), -1, dtype=np.int64)
        wanted = sortable(digests)
        nearest = np.minimum(np.searchsorted(self._digests, wanted), len(self) - 1)
        found: Int64Array = np.where(self._digests[nearest] == wanted, self._positions[nearest], -1)
        return found


def sortable(digests: Digests) -> npt.NDArray[np.bytes_]:
    """View digests as numpy's fixed-width strings, which it can sort and search."""
    return np.ascontiguousarray(digests).view("S16").reshape(-1)
