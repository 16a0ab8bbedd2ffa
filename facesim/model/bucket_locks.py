"""Who computes which image, when several processes fill one store at once."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock, Timeout

from facesim.arrays import Int64Array
from facesim.data.image_digests import Digests

BUCKETS = 64


def buckets_of(digests: Digests) -> Int64Array:
    """Each image belongs to one of 64 buckets, by the first bits of its digest; int64 [N]."""
    return digests[:, 0].astype(np.int64) // (256 // BUCKETS)


class BucketLocks:
    """The buckets that this process fills.

    A claim is a lock on one file per bucket, and the protocol is:

    1. A process computes an image only while it holds the claim on the image's bucket, and only
       after it has looked, *holding it*, whether the image is in the store by now.
    2. It lets go of a bucket when everything that it computed of it is in the store.
    3. It never waits for a claim while it holds one: what another process holds is passed over,
       and looked at again when the rest is done. So no two processes wait for each other.

    The lock is the operating system's, so that a process that dies holds nothing.

    Args:
        folder: the store's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "claims"
        self._locks: dict[int, FileLock] = {}
        self._unpublished: Counter[int] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bucket in list(self._locks):
            self.release(bucket)

    def take(self, bucket: int) -> bool:
        """Claim a bucket, unless another process has it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # The thread that publishes is the one that lets go.
        lock = FileLock(self._folder / f"{bucket:02d}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._locks[bucket] = lock
        return True

    def expect(self, bucket: int, images: int) -> None:
        """Hold a claim until so many of its images have been published."""
        self._unpublished[bucket] = images

    def published(self, digests: Digests) -> None:
        """These images are in the store: let go of the buckets of which nothing is left."""
        self._unpublished.subtract(buckets_of(digests).tolist())
        for bucket in np.unique(buckets_of(digests)).tolist():
            if self._unpublished[bucket] <= 0:
                self.release(bucket)

    def release(self, bucket: int) -> None:
        """Let go of a bucket, if it is held."""
        lock = self._locks.pop(bucket, None)
        if lock is not None:
            lock.release()
