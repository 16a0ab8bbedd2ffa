"""Inter-process locks for filling the trunk cache."""

from collections import Counter
from pathlib import Path
from typing import Self

import numpy as np

from facesim.arrays import Int64Array
from facesim.data.image_digests import Digests
from facesim.folders import make_folder
from facesim.locks import ProcessLock

BUCKETS = 64
CLAIMS = "claims"
"""The folder of the locks in that of a store."""


def buckets_of(digests: Digests) -> Int64Array:
    """The bucket of each image, int64 [N] from 0 to 63: the first bits of its digest."""
    return digests[:, 0].astype(np.int64) // (256 // BUCKETS)


class BucketLocks:
    """The buckets of images that this process fills, each locked by a file of its own.

    Several processes fill one store without computing an image twice, by three rules:

    1. A process computes an image only while it holds the lock of the image's bucket, and only
       after it has checked, *holding the lock*, that the image is not in the store. Before the
       lock that check proves nothing: the holder may just be writing it.
    2. It releases a bucket when everything that it computed of it is on the disk, so that the
       check of the next holder sees it.
    3. It never waits for a lock. A bucket that another process holds is skipped, and looked at
       again when the rest is done; so no two processes can wait for each other.

    Locks are the operating system's: a process that dies releases its own. One lock for the whole
    store would let one process work and the others wait; one per image would be a million files.

    Args:
        folder: the store's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / CLAIMS
        self._locks: dict[int, ProcessLock] = {}
        self._pending: Counter[int] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for bucket in list(self._locks):
            self.release(bucket)

    def acquire(self, bucket: int) -> bool:
        """Lock a bucket, unless another process holds it; returns whether it is held now.

        Raises:
            OSError: its file cannot be made or opened.
        """
        make_folder(self._folder)
        # Acquired on the main thread, released on the writing thread by mark_written.
        lock = ProcessLock(self._folder / f"{bucket:02d}.lock")
        if not lock.acquire(wait=False):
            return False
        self._locks[bucket] = lock
        return True

    def set_pending(self, bucket: int, images: int) -> None:
        """Hold a bucket until this many of its images have been written."""
        self._pending[bucket] = images

    def mark_written(self, digests: Digests) -> None:
        """Note that images are on the disk; buckets with none pending are released."""
        buckets = buckets_of(digests).tolist()
        self._pending.subtract(buckets)
        for bucket in set(buckets):
            if self._pending[bucket] <= 0:
                self.release(bucket)

    def release(self, bucket: int) -> None:
        """Unlock a bucket, if it is held."""
        lock = self._locks.pop(bucket, None)
        if lock is not None:
            lock.release()
