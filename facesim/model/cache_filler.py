"""Decoding, the trunk and the disk, all at once: computes the features that a store lacks."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.data.image_digests import Digests, digest_file
from facesim.data.loader import load_rows
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.interfaces import FaceTable
from facesim.model.background_writer import BackgroundWriter
from facesim.model.bucket_locks import BUCKETS, BucketLocks, buckets_of
from facesim.model.feature_chunk import Rows
from facesim.model.feature_store import FeatureStore
from facesim.model.trunk_pass import PendingFeatures, TrunkPass


class CacheFiller:
    """Fills a store with the features of a table's images.

    Args:
        store: where to.
        table: the images.
        digests: uint8 [N, 16] of their files.
        preprocessing: decodes the images.
        trunk: computes the features.
        workers: processes that decode; 0 decodes in this one.
    """

    def __init__(
        self,
        store: FeatureStore,
        table: FaceTable,
        digests: Digests,
        preprocessing: Preprocessing,
        trunk: TrunkPass,
        workers: int,
    ) -> None:
        self._store = store
        self._table = table
        self._digests = digests
        self._preprocessing = preprocessing
        self._trunk = trunk
        self._workers = workers

    def missing(self, rows: Int64Array) -> Int64Array:
        """Those of some rows whose images have no features yet, each image once."""
        return rows[self._store.missing(self._digests[rows])]

    def fill(self, missing: Int64Array, advance: Callable[[int], None]) -> int:
        """Compute the features of all images that no other process is computing.

        Args:
            missing: int64 [M], as :meth:`missing` returns it.
            advance: called with the number of images that have just been computed.

        Returns:
            How many images were computed; they are all in the store then.

        Raises:
            DataError: an image cannot be used, or is not the one whose digest was taken.
            FacesimError: features cannot be kept, or the disk is full.
        """
        drawn: deque[Int64Array] = deque()
        computed = 0
        with (
            BucketLocks(self._store.folder) as claims,
            BackgroundWriter(self._store, claims.published) as writer,
            closing(self._pixels(self._claimed_blocks(missing, claims), drawn)) as pixels,
        ):
            for images in pixels:
                rows = drawn.popleft()
                features = self._trunk.start(images)
                writer.add(self._digests[rows], partial(self._checked, rows, features))
                computed += len(rows)
                advance(len(rows))
        return computed

    def _claimed_blocks(self, missing: Int64Array, claims: BucketLocks) -> Iterator[Int64Array]:
        """Rows in full blocks; their buckets are claimed only as the decoding comes to them."""
        size = self._trunk.block
        block = np.empty(0, np.int64)
        for rows in self._claimed_buckets(missing, claims):
            block = np.concatenate([block, rows])
            while len(block) >= size:
                yield block[:size]
                block = block[size:]
        if len(block):
            yield block

    def _claimed_buckets(self, missing: Int64Array, claims: BucketLocks) -> Iterator[Int64Array]:
        buckets = buckets_of(self._digests[missing])
        first = np.random.default_rng().integers(BUCKETS)  # so that processes seldom meet
        for bucket in np.roll(np.arange(BUCKETS), first).tolist():
            rows = missing[buckets == bucket]
            if not len(rows) or not claims.take(bucket):
                continue
            rows = self.missing(rows)
            if not len(rows):
                claims.release(bucket)
                continue
            claims.expect(bucket, len(rows))
            yield rows

    def _pixels(self, blocks: Iterator[Int64Array], drawn: deque[Int64Array]) -> Generator[Tensor]:
        def remembered() -> Iterator[Int64Array]:
            for rows in blocks:
                drawn.append(rows)
                yield rows

        return load_rows(self._table, remembered(), self._preprocessing, workers=self._workers)

    def _checked(self, rows: Int64Array, features: PendingFeatures) -> Rows:
        """The features, once it is sure that they are right; on the writing thread."""
        self._refuse_what_does_not_fit(rows, features.magnitudes())
        for row in rows.tolist():
            path = self._table.path(row)
            if digest_file(path) != self._digests[row].tobytes():
                raise DataError(f"{path}: it has changed since the run began; start the run again")
        return features.rows().numpy()

    def _refuse_what_does_not_fit(self, rows: Int64Array, magnitudes: Tensor) -> None:
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
                f"{limit:.0f}; let the cache keep float32"
            )
        raise FacesimError(f"the trunk's output for {path} is not finite; check its weights")
