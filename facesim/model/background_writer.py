"""Writing features to a store on a thread of its own, while the next ones are computed."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np

from facesim.data.image_digests import DIGEST_BYTES, Digests
from facesim.model.feature_chunk import Rows
from facesim.model.feature_store import FeatureStore

_BATCHES_WAITING = 4
"""Bounds the memory that a slow disk can take."""


class BackgroundWriter:
    """Gathers batches of features into chunks and writes them, in order.

    A context manager: on leaving, what is left is written, also when the block was interrupted.

    Args:
        store: where to.
        written: called on the writing thread with the digests of each chunk that is on disk.
    """

    def __init__(self, store: FeatureStore, written: Callable[[Digests], None]) -> None:
        self._store = store
        self._written = written
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="facesim-cache-writer")
        self._waiting: deque[Future[None]] = deque()
        self._digests = np.empty((store.rows_per_chunk, DIGEST_BYTES), np.uint8)
        self._rows = np.empty((store.rows_per_chunk, *store.row_shape), store.dtype)
        self._filled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._waiting.append(self._thread.submit(self._flush))
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._thread.shutdown()

    def add(self, digests: Digests, fetch: Callable[[], Rows]) -> None:
        """Write the features of some images; blocks only if the disk is behind.

        Args:
            digests: uint8 [B, 16].
            fetch: gives the features [B, *row_shape]; called on the writing thread, because it
                waits for the device.

        Raises:
            FacesimError: an earlier batch could not be written.
        """
        while len(self._waiting) >= _BATCHES_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._gather, digests, fetch))

    def _gather(self, digests: Digests, fetch: Callable[[], Rows]) -> None:
        rows = fetch()
        start = 0
        while start < len(rows):
            count = min(len(rows) - start, len(self._rows) - self._filled)
            place = slice(self._filled, self._filled + count)
            self._digests[place] = digests[start : start + count]
            self._rows[place] = rows[start : start + count]
            self._filled += count
            start += count
            if self._filled == len(self._rows):
                self._flush()

    def _flush(self) -> None:
        if self._filled:
            digests = self._digests[: self._filled].copy()
            # Reset first: a chunk that failed, on a full disk say, is not tried again on leaving.
            filled, self._filled = self._filled, 0
            self._store.append(digests, self._rows[:filled])
            self._written(digests)
