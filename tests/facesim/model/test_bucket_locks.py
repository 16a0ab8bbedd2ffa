"""One process per bucket, and a dead process holds nothing."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from facesim.model.bucket_locks import BUCKETS, BucketLocks, buckets_of


def _digests(first_bytes: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    digests = np.zeros((len(first_bytes), 16), np.uint8)
    digests[:, 0] = first_bytes
    return digests


def test_every_digest_has_a_bucket() -> None:
    buckets = buckets_of(_digests(list(range(256))))

    assert buckets.min() == 0
    assert buckets.max() == BUCKETS - 1
    assert set(np.bincount(buckets).tolist()) == {256 // BUCKETS}


def test_a_bucket_has_one_holder(tmp_path: Path) -> None:
    with BucketLocks(tmp_path) as one, BucketLocks(tmp_path) as other:
        assert one.acquire(3)
        assert not other.acquire(3)
        assert other.acquire(4)
        one.release(3)
        assert other.acquire(3)


def test_a_bucket_is_released_when_its_last_image_is_written(tmp_path: Path) -> None:
    with BucketLocks(tmp_path) as one, BucketLocks(tmp_path) as other:
        for bucket, images in ((0, 3), (1, 1)):
            assert one.acquire(bucket)
            one.set_pending(bucket, images)
        one.mark_written(_digests([0, 1, 4]))
        assert not other.acquire(0)
        assert other.acquire(1)
        one.mark_written(_digests([2]))
        assert other.acquire(0)


def test_a_bucket_that_is_not_held_may_be_released(tmp_path: Path) -> None:
    with BucketLocks(tmp_path) as locks:
        locks.release(3)
        assert locks.acquire(3)
        locks.release(3)
        locks.release(3)
        locks.mark_written(_digests([3]))


def test_leaving_releases_everything(tmp_path: Path) -> None:
    with BucketLocks(tmp_path) as one:
        assert all(one.acquire(bucket) for bucket in range(BUCKETS))
    with BucketLocks(tmp_path) as other:
        assert all(other.acquire(bucket) for bucket in range(BUCKETS))


def _hold(folder: Path, ready: Connection) -> None:
    with BucketLocks(folder) as locks:
        ready.send(locks.acquire(5))
        ready.recv()


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, theirs))
    process.start()
    assert ours.recv()
    with BucketLocks(tmp_path) as locks:
        assert not locks.acquire(5)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert locks.acquire(5)
