import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from facesim.data.image_digests import Digests
from facesim.errors import FacesimError
from facesim.model.cache_filler import BackgroundWriter
from facesim.model.feature_chunk import Rows
from facesim.model.feature_store import FeatureStore


def _batch(count: int, seed: int) -> tuple[Digests, Rows]:
    generator = np.random.default_rng(seed)
    digests = generator.integers(0, 256, (count, 16), dtype=np.uint8)
    return digests, generator.random((count, 4), dtype=np.float32)


def test_batches_of_any_size_become_chunks_of_one_size(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, (4,), np.float32)
    batches = [_batch(count, seed) for seed, count in enumerate([1, 300, 700, 40])]
    published: list[int] = []

    with BackgroundWriter(store, lambda digests: published.append(len(digests))) as writer:
        for digests, rows in batches:
            writer.add(digests, partial(np.array, rows))

    everything = np.concatenate([digests for digests, _ in batches])
    features = np.concatenate([rows for _, rows in batches])
    np.testing.assert_array_equal(store.read(store.locate(everything)), features)
    assert published == [512, 512, 17]


def test_features_are_fetched_on_the_writing_thread(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, (4,), np.float32)
    digests, rows = _batch(3, 0)
    threads: list[threading.Thread] = []

    def fetch() -> Rows:
        threads.append(threading.current_thread())
        return rows

    with BackgroundWriter(store, lambda _: None) as writer:
        writer.add(digests, fetch)
    assert threads[0] is not threading.current_thread()


def test_what_was_added_before_an_interruption_is_kept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, (4,), np.float32)
    digests, rows = _batch(3, 0)

    with pytest.raises(KeyboardInterrupt), BackgroundWriter(store, lambda _: None) as writer:
        writer.add(digests, lambda: rows)
        raise KeyboardInterrupt

    assert len(store.missing(digests)) == 0


def test_an_error_while_fetching_reaches_the_caller(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, (4,), np.float32)
    digests, _ = _batch(3, 0)

    def fail() -> Rows:
        raise RuntimeError("no features")

    with (
        pytest.raises(RuntimeError, match="no features"),
        BackgroundWriter(store, lambda _: None) as writer,
    ):
        writer.add(digests, fail)
        for seed in range(100):
            more, features = _batch(2, seed + 1)
            writer.add(more, partial(np.array, features))
    assert len(store.missing(digests)) == 3


@pytest.mark.parametrize("rows", [3, 600])
def test_what_could_not_be_written_is_an_error_on_leaving_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    store = FeatureStore(tmp_path, (4,), np.float32)
    attempts: list[int] = []

    def full(digests: Digests, rows: Rows) -> None:
        attempts.append(len(rows))
        raise FacesimError("the disk is full")

    monkeypatch.setattr(store, "append", full)
    digests, features = _batch(rows, 0)
    with (
        pytest.raises(FacesimError, match="the disk is full"),
        BackgroundWriter(store, lambda _: None) as writer,
    ):
        writer.add(digests, lambda: features)
    assert attempts == [min(rows, store.rows_per_chunk)]
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("facesim-cache-writer")]


def after(event: threading.Event, rows: Rows) -> Rows:
    event.wait()
    return rows


def test_adding_waits_for_a_disk_that_is_four_batches_behind(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, (4,), np.float32)
    disk = threading.Event()
    added: list[int] = []

    def add_six(writer: BackgroundWriter) -> None:
        for seed in range(6):
            digests, features = _batch(1, seed)
            writer.add(digests, partial(after, disk, features))
            added.append(seed)

    with BackgroundWriter(store, lambda _: None) as writer:
        thread = threading.Thread(target=add_six, args=(writer,))
        thread.start()
        deadline = time.monotonic() + 60
        while len(added) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        thread.join(0.1)
        assert added == [0, 1, 2, 3]
        disk.set()
        thread.join()
    assert added == [*range(6)]
