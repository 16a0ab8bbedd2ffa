"""Filling the trunk cache: decoding, the trunk and the disk at the same time."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.data.image_digests import DIGEST_BYTES, Digests, TableDigests
from facesim.data.loader import load_rows
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.model.bucket_locks import BUCKETS, BucketLocks, buckets_of
from facesim.model.feature_chunk import Rows
from facesim.model.feature_store import FeatureStore
from facesim.model.trunk_pass import PendingFeatures, TrunkPass

_BATCHES_WAITING = 4
"""Bounds the memory that a slow disk can take; each holds the trunk's output in its own type."""


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

    def __exit__(self, *error: object) -> None:
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


class CacheFiller:
    """Fills a store with the features of a table's images.

    Three stages overlap: workers decode the next blocks, the device computes the current
    one, and a thread checks and writes the previous ones.

    Args:
        store: where to.
        images: the table's, with their digests.
        preprocessing: decodes the images.
        trunk: computes the features.
        workers: threads that decode; 0 decodes on the thread that starts the passes.
    """

    def __init__(
        self,
        store: FeatureStore,
        images: TableDigests,
        preprocessing: Preprocessing,
        trunk: TrunkPass,
        workers: int,
    ) -> None:
        self._store = store
        self._images = images
        self._table = images.table
        self._keys = images.keys()
        self._preprocessing = preprocessing
        self._trunk = trunk
        self._workers = workers

    def missing(self, rows: Int64Array) -> Int64Array:
        """Those of some rows whose images have no features yet, each image once."""
        return rows[self._store.missing(self._keys[rows])]

    def fill(self, missing: Int64Array, advance: Callable[[int], None]) -> int:
        """Compute the features of all images that no other process is computing.

        Args:
            missing: int64 [M], as :meth:`missing` returns it.
            advance: called with the number of images that have just been computed; it may raise.

        Returns:
            How many images were computed; all of them are in the store then.

        Raises:
            DataError: an image cannot be used, or has changed since its digest was computed.
            StoreUnwritableError: the disk is full or cannot be written.
            FacesimError: features cannot be stored.
        """
        drawn: deque[Int64Array] = deque()
        computed = 0
        # Left in reverse order: the workers end, then what was computed is written, and only then
        # are the buckets released, so that no other process computes it again.
        with (
            BucketLocks(self._store.folder) as locks,
            self._trunk.pool() as pool,
            BackgroundWriter(self._store, locks.mark_written) as writer,
        ):
            blocks = self._locked_blocks(missing, locks, drawn)
            pixels = load_rows(self._images, blocks, self._preprocessing, workers=self._workers)
            with closing(pixels):
                under_way: deque[tuple[int, PendingFeatures]] = deque()
                for images in pixels:
                    rows = drawn.popleft()
                    features = self._trunk.start(images, pool)
                    writer.add(self._keys[rows], partial(self._checked, rows, features))
                    under_way.append((len(rows), features))
                    computed += len(rows)
                    _finish(under_way, self._trunk.passes_ahead, advance)
                _finish(under_way, 0, advance)
        return computed

    def compute(self, rows: Int64Array) -> Tensor:
        """The features of some rows as the store would give them, [B, *row_shape]; nothing is kept.

        Raises:
            DataError: an image cannot be used, or has changed since its digest was computed.
            FacesimError: features are not finite, or do not fit into float16.
        """
        size = self._trunk.block
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        workers = self._workers if len(parts) > 1 else 0
        computed = []
        pixels = load_rows(self._images, parts, self._preprocessing, workers=workers)
        with closing(pixels), self._trunk.pool() as pool:
            for part, images in zip(parts, pixels, strict=True):
                computed.append(self._checked(part, self._trunk.start(images, pool)))
        return torch.from_numpy(np.concatenate(computed))

    def _locked_blocks(
        self, missing: Int64Array, locks: BucketLocks, drawn: deque[Int64Array]
    ) -> Iterator[Int64Array]:
        """Rows in full blocks, also appended to ``drawn``, in the order in which they are decoded.

        The loader takes a block when it begins to decode it, so buckets are locked only as the
        work comes to them, and another process finds the later ones free.
        """
        size = self._trunk.block
        waiting = np.empty(0, np.int64)
        for rows in self._locked_buckets(missing, locks):
            waiting = np.concatenate([waiting, rows])
            while len(waiting) >= size:
                drawn.append(waiting[:size])
                yield waiting[:size]
                waiting = waiting[size:]
        if len(waiting):
            drawn.append(waiting)
            yield waiting

    def _locked_buckets(self, missing: Int64Array, locks: BucketLocks) -> Iterator[Int64Array]:
        buckets = buckets_of(self._keys[missing])
        # Processes that begin together begin at different buckets, and seldom meet.
        first = np.random.default_rng().integers(BUCKETS)
        for bucket in np.roll(np.arange(BUCKETS), first).tolist():
            rows = missing[buckets == bucket]
            try:
                if not len(rows) or not locks.acquire(bucket):
                    continue
            except OSError as error:
                raise self._store.unwritable(error) from error
            rows = self.missing(rows)  # again, now that no other process can write them
            if not len(rows):
                locks.release(bucket)
                continue
            locks.set_pending(bucket, len(rows))
            yield rows

    def _checked(self, rows: Int64Array, features: PendingFeatures) -> Rows:
        """The features, once they are known to be right; called on the writing thread."""
        self._require_representable(rows, features.magnitudes())
        return features.rows().numpy()

    def _require_representable(self, rows: Int64Array, magnitudes: Tensor) -> None:
        limit = torch.finfo(self._trunk.dtype).max
        # Not `magnitudes > limit`, which is false for NaN.
        wrong = torch.nonzero(~(magnitudes <= limit)).flatten().tolist()
        if not wrong:
            return
        path = self._table.path(int(rows[wrong[0]]))
        largest = magnitudes[wrong[0]].item()
        if np.isfinite(largest):
            raise FacesimError(
                f"the trunk's output for {path} reaches {largest:.4g}, and float16 holds at most "
                f"{limit:.0f}; write `trunk_cache: float32`"
            )
        raise FacesimError(f"the trunk's output for {path} is not finite; check its weights")


def _finish(
    under_way: deque[tuple[int, PendingFeatures]], left: int, advance: Callable[[int], None]
) -> None:
    """Wait until no more than ``left`` passes are under way."""
    while len(under_way) > left:
        images, features = under_way.popleft()
        features.wait()
        advance(images)
