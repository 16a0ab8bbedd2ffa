"""The trunk cache gives what the trunk gives, whatever happens while it is filled."""

import errno
import logging
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from facesim.arrays import Int64Array
from facesim.console import warn_once
from facesim.data import loader
from facesim.data.image_digests import TableDigests, image_digests
from facesim.data.loader import load_images, load_rows
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.interfaces import Backbone, FaceTable
from facesim.model import cache_filler, feature_store
from facesim.model.bucket_locks import buckets_of
from facesim.model.cache_admin import list_stores, prune, stores_root
from facesim.model.feature_store import MissingFeaturesError
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_engine import EagerEngine
from facesim.model.trunk_key import TrunkRecipe

PREPROCESSING = Preprocessing((20, 16))
FLOAT32 = TrunkRecipe(PREPROCESSING, dtype="float32")
FLOAT16 = TrunkRecipe(PREPROCESSING)
COMPRESSED = replace(FLOAT32, compressed=True)
EITHER_STORAGE = pytest.mark.parametrize("recipe", [FLOAT32, COMPRESSED], ids=["", "compressed"])


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "_CHUNK_ROWS", 16)


def _cache(
    backbone: Backbone, table: FaceTable, recipe: TrunkRecipe = FLOAT32, workers: int = 0
) -> TrunkCache:
    return TrunkCache(
        EagerEngine(backbone), TableDigests(table), recipe, name="tiny", workers=workers
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shares_are_disjoint_and_complete_and_hold_whole_buckets(
    backbone: Backbone, table: FaceTable, count: int
) -> None:
    cache, rows = _cache(backbone, table), np.arange(69, -1, -2)
    shares = [cache.share(rows, number, count) for number in range(count)]
    assert sorted(np.concatenate(shares).tolist()) == sorted(rows.tolist())
    for share in shares:
        assert [row for row in rows if row in share] == share.tolist()  # in their order
    digests = TableDigests(table).get()
    buckets = [set(buckets_of(digests[share]).tolist()) for share in shares]
    assert sum(map(len, buckets)) == len(set().union(*buckets))


def _pixels(table: FaceTable) -> Tensor:
    rows = np.arange(len(table))
    return torch.cat(list(load_images(table, rows, PREPROCESSING, batch_size=32)))


def _expected(backbone: Backbone, table: FaceTable) -> Tensor:
    return EagerEngine(backbone).run(_pixels(table))


def _rows(table: FaceTable) -> Int64Array:
    return np.arange(len(table))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects the rows that are decoded for the trunk from now on."""
    rows: list[int] = []

    def counting(
        images: TableDigests,
        parts: Iterable[Int64Array],
        preprocessing: Preprocessing,
        *,
        workers: int,
    ) -> Generator[Tensor]:
        def counted() -> Generator[Int64Array]:
            for part in parts:
                rows.extend(part.tolist())
                yield part

        return load_rows(images, counted(), preprocessing, workers=workers)

    monkeypatch.setattr(cache_filler, "load_rows", counting)
    return rows


@pytest.mark.parametrize("workers", [0, 2])
def test_float32_features_are_the_trunks_to_the_last_bit(
    backbone: Backbone, table: FaceTable, workers: int
) -> None:
    cache = _cache(backbone, table, workers=workers)
    cache.fill()
    order = np.random.default_rng(0).permutation(70)[:45]

    features = cache.features(order)

    assert torch.equal(features, _expected(backbone, table)[order])
    assert features.is_contiguous(memory_format=torch.channels_last)


def test_float16_features_are_the_trunks_rounded(backbone: Backbone, table: FaceTable) -> None:
    cache = _cache(backbone, table, FLOAT16)
    cache.fill()

    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table).half())


def test_compressed_features_are_those_of_float16_and_serve_for_them(
    backbone: Backbone, table: FaceTable, computed: list[int]
) -> None:
    cache = _cache(backbone, table, replace(FLOAT16, compressed=True))
    assert cache.space_needed() == "at most 0 MB, to be compressed"
    cache.fill(_rows(table)[:40])
    assert cache.space_needed() == "about 0 MB, compressed"
    plain = _cache(backbone, table, FLOAT16)
    assert plain.missing() == 30
    plain.fill()
    computed.clear()

    for again in (cache, plain):
        assert torch.equal(again.features(_rows(table)), _expected(backbone, table).half())
    assert computed == []
    assert {path.suffix for path in _chunks()} == {".chunk", ".zchunk"}


def test_one_chunk_tells_whether_compressed_features_fit_on_the_disk(
    backbone: Backbone,
    table: FaceTable,
    computed: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = _cache(backbone, table, replace(FLOAT16, compressed=True))
    usage = namedtuple("usage", "total used free")
    free = cache.store.bytes_needed(20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free))

    cache.fill()

    assert len(computed) == 16 == cache.store.rows_per_chunk
    assert "the features of 54 images take" in caplog.text
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table).half())


def test_features_are_written_into_the_given_tensor(backbone: Backbone, table: FaceTable) -> None:
    cache = _cache(backbone, table)
    cache.fill()
    out = cache.features(np.arange(8))

    again = cache.features(np.arange(8, 16), out)

    assert again.data_ptr() == out.data_ptr()
    assert torch.equal(out, _expected(backbone, table)[8:16])


def test_a_trunk_that_ends_in_a_vector_is_cached_as_vectors(
    table: FaceTable, backbone: Backbone
) -> None:
    backbone.trunk = nn.Sequential(backbone.trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    cache = _cache(backbone, table)
    cache.fill()

    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))


def test_the_flipped_view_is_another_store(backbone: Backbone, table: FaceTable) -> None:
    flipped = TrunkRecipe(PREPROCESSING, flipped=True, dtype="float32")
    plain_cache, flipped_cache = _cache(backbone, table), _cache(backbone, table, flipped)
    for cache in (plain_cache, flipped_cache):
        cache.fill()

    expected = EagerEngine(backbone).run(_pixels(table).flip(3))
    assert torch.equal(flipped_cache.features(_rows(table)), expected)
    assert torch.equal(plain_cache.features(_rows(table)), _expected(backbone, table))
    views = {store.description and store.description.view for store in list_stores(stores_root())}
    assert views == {"plain", "flipped"}


def test_a_trunk_in_bfloat16_is_cached(backbone: Backbone, table: FaceTable) -> None:
    cache = _cache(backbone, table, TrunkRecipe(PREPROCESSING, precision="bfloat16"))
    cache.fill()

    features = cache.features(_rows(table)).float()
    torch.testing.assert_close(features, _expected(backbone, table), rtol=0.05, atol=0.05)


def test_the_second_run_computes_nothing(
    backbone: Backbone, table: FaceTable, computed: list[int]
) -> None:
    _cache(backbone, table).fill()
    assert sorted(computed) == list(range(70))
    computed.clear()

    again = _cache(backbone, table)

    assert again.missing() == 0
    assert again.bytes_needed() == 0
    again.fill()
    assert torch.equal(again.features(_rows(table)), _expected(backbone, table))
    assert computed == []


def test_only_the_rows_that_are_asked_for_are_computed(
    backbone: Backbone, table: FaceTable, computed: list[int]
) -> None:
    cache = _cache(backbone, table)
    cache.fill(np.array([3, 60, 7]))

    assert sorted(computed) == [3, 7, 60]
    assert cache.missing() == 67
    assert torch.equal(cache.features(np.array([60, 3])), _expected(backbone, table)[[60, 3]])


def test_what_was_never_filled_is_computed_when_it_is_asked_for(
    backbone: Backbone, table: FaceTable
) -> None:
    rows = np.array([5, 5, 11])

    assert torch.equal(_cache(backbone, table).features(rows), _expected(backbone, table)[rows])


def test_the_same_image_under_two_names_is_computed_once(
    backbone: Backbone, table: FaceTable, computed: list[int]
) -> None:
    shutil.copy(table.path(4), table.path(50))
    cache = _cache(backbone, table)
    cache.fill()

    assert len(computed) == 69
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))


def test_progress_sums_up_to_what_was_missing(backbone: Backbone, table: FaceTable) -> None:
    cache = _cache(backbone, table)
    cache.fill(np.arange(10))
    done: list[int] = []

    cache.fill(advance=done.append)

    assert sum(done) == 60
    assert min(done) >= 0


class Overlapping(EagerEngine):
    """Notes when its passes are started and when they are waited for."""

    passes_ahead = 1

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.noted: list[str] = []

    def start(self, images: Tensor, pool: Executor) -> Callable[[], Tensor]:
        number = sum(each.startswith("start") for each in self.noted)
        self.noted.append(f"start {number}")
        computed = pool.submit(torch.inference_mode()(self.run), images)

        def wait() -> Tensor:
            if threading.current_thread() is threading.main_thread():
                self.noted.append(f"wait {number}")
            return computed.result()

        return wait


def _overlapping(backbone: Backbone, table: FaceTable) -> tuple[TrunkCache, Overlapping]:
    engine = Overlapping(backbone)
    return TrunkCache(engine, TableDigests(table), FLOAT32, name="overlapping"), engine


def test_a_pass_is_started_before_the_one_before_it_has_ended(
    backbone: Backbone, table: FaceTable
) -> None:
    cache, engine = _overlapping(backbone, table)
    done: list[int] = []
    cache.fill(advance=done.append)

    expected = ["start 0", "start 1", "wait 0", "start 2", "wait 1", "wait 2"]
    assert engine.noted == expected
    assert done[:3] == [32, 32, 6]
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))


def test_passes_under_way_are_kept_when_progress_ends_the_filling(
    backbone: Backbone, table: FaceTable
) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    cache, _ = _overlapping(backbone, table)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(advance=interrupt)

    assert cache.missing() == 70 - 64
    assert not [each for each in threading.enumerate() if each.name.startswith("facesim-trunk")]


def test_an_error_of_a_pass_reaches_the_caller_while_another_is_under_way(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, engine = _overlapping(backbone, table)
    monkeypatch.setattr(engine, "run", lambda images: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        cache.fill()
    assert cache.missing() == 70
    assert not [each for each in threading.enumerate() if each.name.startswith("facesim-trunk")]


def test_bytes_needed_is_what_filling_takes(backbone: Backbone, table: FaceTable) -> None:
    cache = _cache(backbone, table)
    needed = cache.bytes_needed()
    cache.fill()

    assert cache.store.size_bytes() == needed


def test_an_image_that_changed_between_runs_is_computed_anew(
    backbone: Backbone, table: FaceTable
) -> None:
    _cache(backbone, table).fill()
    Image.new("RGB", (16, 20), "red").save(table.path(9))

    cache = _cache(backbone, table)

    assert cache.missing() == 1
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))


def test_an_image_that_changes_during_the_run_is_an_error(
    backbone: Backbone, table: FaceTable
) -> None:
    cache = _cache(backbone, table)
    assert cache.missing() == len(_rows(table))
    Image.new("RGB", (16, 20), "red").save(table.path(9))

    with pytest.raises(DataError, match=r"009\.png: it has changed since the run began"):
        cache.fill()
    assert torch.equal(_cache(backbone, table).features(_rows(table)), _expected(backbone, table))


def test_what_is_checked_is_the_content_that_is_decoded(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the file is as it was before and afterwards."""
    cache = _cache(backbone, table)
    other = table.path(1).read_bytes()
    monkeypatch.setattr(loader, "read_image", lambda path: other)

    with pytest.raises(DataError, match=r"it has changed since the run began"):
        cache.fill()
    monkeypatch.undo()
    assert torch.equal(_cache(backbone, table).features(_rows(table)), _expected(backbone, table))


def test_an_image_is_opened_once_to_be_filled_in(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _cache(backbone, table, workers=2)
    assert cache.missing() == len(_rows(table))
    opened: list[str] = []
    open_ = os.open

    def counting(path: str | bytes | Path, flags: int, *mode: int) -> int:
        opened.append(os.fsdecode(path))
        return open_(path, flags, *mode)

    monkeypatch.setattr(os, "open", counting)
    cache.fill()

    images = [str(table.path(row)) for row in _rows(table).tolist()]
    assert sorted(each for each in opened if each in images) == sorted(images)


def test_training_from_the_cache_gives_the_same_weights_as_without(
    backbone: Backbone, table: FaceTable
) -> None:
    cache = _cache(backbone, table)
    cache.fill()
    pixels = _pixels(table)

    def trained(trunk_output: Callable[[Int64Array], Tensor]) -> list[Tensor]:
        torch.manual_seed(1)
        tail = nn.Sequential(nn.Conv2d(8, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        optimizer = torch.optim.SGD(tail.parameters(), lr=0.01)
        generator = np.random.default_rng(0)
        for _ in range(10):
            rows = generator.permutation(70)[: int(generator.integers(2, 50))]
            optimizer.zero_grad()
            tail(trunk_output(rows)).square().mean().backward()
            optimizer.step()
        return [parameter.detach() for parameter in tail.parameters()]

    cached = trained(cache.features)
    uncached = trained(lambda rows: EagerEngine(backbone).run(pixels[rows]))

    assert all(torch.equal(a, b) for a, b in zip(cached, uncached, strict=True))


class Factor(nn.Module):
    """Multiplies the trunk's output."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features: Tensor) -> Tensor:
        return features * self.factor


def test_features_beyond_float16_are_an_error_that_names_float32(
    backbone: Backbone, table: FaceTable
) -> None:
    backbone.trunk = nn.Sequential(backbone.trunk, Factor(1e6))

    with pytest.raises(FacesimError, match=r"\.png reaches .* write `trunk_cache: float32`"):
        _cache(backbone, table, FLOAT16).fill()
    assert len(_cache(backbone, table, FLOAT16).store) == 0
    assert torch.equal(
        _cache(backbone, table, FLOAT32).features(_rows(table)), _expected(backbone, table)
    )


@pytest.mark.parametrize("recipe", [FLOAT16, FLOAT32])
@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_an_error(
    backbone: Backbone, table: FaceTable, recipe: TrunkRecipe, factor: float
) -> None:
    backbone.trunk = nn.Sequential(backbone.trunk, Factor(factor))

    with pytest.raises(FacesimError, match="is not finite"):
        _cache(backbone, table, recipe).fill()


class Pair(nn.Module):
    """No single tensor."""

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features, features


@pytest.mark.parametrize("last", [Pair(), nn.Flatten(0)])
def test_a_trunk_that_gives_no_row_per_image_is_refused(
    backbone: Backbone, table: FaceTable, last: nn.Module
) -> None:
    backbone.trunk = nn.Sequential(backbone.trunk, last)

    with pytest.raises(FacesimError, match="cannot be cached"):
        _cache(backbone, table)


def test_a_disk_that_is_too_small_is_noticed_before_the_first_image(
    backbone: Backbone,
    table: FaceTable,
    computed: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = _cache(backbone, table)
    usage = namedtuple("usage", "total used free")
    free = cache.bytes_needed() - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free))

    cache.fill()

    assert "70 images take" in caplog.text
    assert computed == []
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))
    assert _chunks() == []


def test_a_disk_that_becomes_full_keeps_what_is_there_and_the_next_run_goes_on(
    backbone: Backbone,
    table: FaceTable,
    computed: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = _cache(backbone, table)
    calls = [0]

    def full(descriptor: int) -> Any:
        calls[0] += 1
        if calls[0] > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        for _ in range(3):
            assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))
    assert caplog.text.count("the disk is full") == 1
    computed.clear()

    again = _cache(backbone, table)

    assert again.missing() == 70 - 32
    assert torch.equal(again.features(_rows(table)), _expected(backbone, table))
    assert len(computed) == 70 - 32


def _chunks() -> list[Path]:
    return sorted(stores_root().glob("*/*.*chunk"))


@pytest.mark.parametrize("opened_before", [False, True])
def test_damaged_chunks_are_computed_anew(
    backbone: Backbone,
    table: FaceTable,
    computed: list[int],
    opened_before: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = _cache(backbone, table)
    cache.fill()
    computed.clear()
    flipped, cut, *_ = _chunks()
    content = bytearray(flipped.read_bytes())
    content[1000] ^= 4
    flipped.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:2000])
    if not opened_before:
        cache = _cache(backbone, table)

    with caplog.at_level(logging.WARNING):
        features = cache.features(_rows(table))

    assert torch.equal(features, _expected(backbone, table))
    assert caplog.text.count("is damaged") == 2
    assert 16 < len(computed) <= 32
    assert sorted(cache.store.verify().dropped) == sorted([flipped.name, cut.name])
    assert _cache(backbone, table).missing() == 0


def test_a_cache_that_is_pruned_while_it_is_used_fills_itself_again(
    backbone: Backbone, table: FaceTable
) -> None:
    filler, reader = _cache(backbone, table), _cache(backbone, table)
    filler.fill()
    reader.fill()
    reader.features(np.arange(3))
    prune(stores_root(), max_gb=0)

    assert torch.equal(reader.features(_rows(table)), _expected(backbone, table))
    (store,) = list_stores(stores_root())
    assert store.description is not None


@pytest.mark.parametrize("times", [1, 2, 3])
def test_features_that_vanish_are_computed_again_and_again_but_not_for_ever(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    cache, rows = _cache(backbone, table), np.arange(5)
    cache.fill()
    read = cache.store.read
    vanished: list[Int64Array] = []

    def vanishing(positions: Int64Array, out: Any) -> None:
        if len(vanished) < times:
            vanished.append(positions)
            raise MissingFeaturesError(np.arange(2))
        read(positions, out)

    monkeypatch.setattr(cache.store, "read", vanishing)
    if times == 3:
        with pytest.raises(FacesimError, match="missing right after they were written; check the"):
            cache.features(rows)
    else:
        assert torch.equal(cache.features(rows), _expected(backbone, table)[:5])


def test_a_store_that_keeps_nothing_is_an_error(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _cache(backbone, table)
    monkeypatch.setattr(cache._filler, "missing", lambda rows: rows)
    monkeypatch.setattr(cache._filler, "fill", lambda missing, advance: len(missing))
    with pytest.raises(FacesimError, match="missing right after they were written; check the"):
        cache.fill()


def test_an_interruption_keeps_what_was_computed(backbone: Backbone, table: FaceTable) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _cache(backbone, table).fill(advance=interrupt)

    cache = _cache(backbone, table)
    assert cache.missing() == 70 - 32
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))


class Slow(nn.Module):
    """Takes its time, so that processes meet and kills hit."""

    def forward(self, features: Tensor) -> Tensor:
        time.sleep(0.03)
        return features


@pytest.fixture
def slow(backbone: Backbone) -> Backbone:
    backbone.trunk = nn.Sequential(backbone.trunk, Slow())
    return backbone


@pytest.fixture
def one_thread() -> Generator[None]:
    """A forked process must not use the threads that its parent had, and fewer round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _fill_in_a_process(
    backbone: Backbone,
    table: FaceTable,
    report: Callable[[int], None],
    recipe: TrunkRecipe = FLOAT32,
) -> None:
    _cache(backbone, table, recipe).fill(advance=report)


@EITHER_STORAGE
@pytest.mark.usefixtures("one_thread")
def test_killed_at_any_moment_the_cache_is_right_and_goes_on(
    slow: Backbone, tables: Callable[[int], FaceTable], computed: list[int], recipe: TrunkRecipe
) -> None:
    table = tables(400)
    expected = _expected(slow, table)
    context = multiprocessing.get_context("fork")
    generator = random.Random(0)
    found = []
    for images in (32, 64, 32, 96, 64):
        ours, theirs = context.Pipe(duplex=False)
        arguments = (slow, table, theirs.send, recipe)
        process = context.Process(target=_fill_in_a_process, args=arguments)
        process.start()
        done = 0
        while done < images and ours.poll(60):
            done += ours.recv()
        time.sleep(generator.uniform(0, 0.05))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        store = _cache(slow, table, recipe).store
        positions = store.locate(image_digests(table))
        present = np.flatnonzero(positions >= 0)
        kept = torch.from_numpy(store.read(positions[present])).permute(0, 3, 1, 2)
        assert torch.equal(kept, expected[present])
        found.append(len(present))

    assert found == sorted(found), "nothing that was kept is lost again"
    assert 0 < found[-1] < 400
    cache = _cache(slow, table, recipe)
    assert torch.equal(cache.features(_rows(table)), expected)
    assert len(computed) == 400 - found[-1]
    assert cache.store.verify().dropped == ()


@EITHER_STORAGE
@pytest.mark.usefixtures("one_thread")
def test_processes_that_fill_at_once_share_the_work(
    slow: Backbone,
    tables: Callable[[int], FaceTable],
    computed: list[int],
    recipe: TrunkRecipe,
) -> None:
    table = tables(600)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(3)
    results: multiprocessing.Queue[list[int]] = context.Queue()

    def fill() -> None:
        start.wait()
        _fill_in_a_process(slow, table, lambda done: None, recipe)
        results.put(computed)

    processes = [context.Process(target=fill) for _ in range(3)]
    for process in processes:
        process.start()
    shares = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()

    everything = sorted(row for share in shares for row in share)
    assert everything == list(range(600)), "every image once, by whichever process"
    assert sum(len(share) > 0 for share in shares) > 1
    cache = _cache(slow, table, recipe)
    assert torch.equal(cache.features(_rows(table)), _expected(slow, table))


@pytest.mark.usefixtures("one_thread")
def test_a_process_waits_for_what_another_one_computes(
    slow: Backbone, tables: Callable[[int], FaceTable], computed: list[int]
) -> None:
    table = tables(300)
    context = multiprocessing.get_context("fork")
    begun, joined = context.Event(), context.Event()

    def wait_for_the_other(_count: int) -> None:
        begun.set()
        assert joined.wait(60)  # however slow the machine is, it has not finished alone by then

    process = context.Process(target=_fill_in_a_process, args=(slow, table, wait_for_the_other))
    process.start()
    assert begun.wait(60)
    done: list[int] = []

    def advance(count: int) -> None:
        done.append(count)
        joined.set()

    cache = _cache(slow, table)
    missing = cache.missing()
    cache.fill(advance=advance)
    process.join()

    assert process.exitcode == 0
    assert len(computed) < 300
    assert 0 < sum(done) <= missing
    assert torch.equal(cache.features(_rows(table)), _expected(slow, table))


@pytest.mark.parametrize("workers", [0, 2])
def test_without_a_place_for_the_cache_features_are_the_same_and_that_is_said_once(
    backbone: Backbone,
    table: FaceTable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    workers: int,
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", "/dev/null/cache")
    warn_once.cache_clear()
    cache = _cache(backbone, table, workers=workers)
    cache.fill()
    for _ in range(2):
        assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))
    few = np.array([7, 3, 3])
    assert torch.equal(cache.features(few), _expected(backbone, table)[few])
    assert not cache.is_writable
    assert caplog.text.count("Until then the trunk runs anew for each use of an image") == 1


def test_where_nothing_is_missing_a_full_disk_is_no_matter(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _cache(backbone, table)
    cache.fill()
    monkeypatch.setattr(cache.store, "require_space", lambda images: 1 / 0)
    cache.fill()
    assert cache.is_writable


def test_a_cache_that_cannot_be_written_is_not_tried_again(
    backbone: Backbone, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", "/dev/null/cache")
    cache = _cache(backbone, table)
    cache.fill()
    assert not cache.is_writable
    monkeypatch.setattr(cache._filler, "fill", lambda missing, advance: 1 / 0)
    cache.fill()
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))


def test_a_warm_cache_that_cannot_be_written_serves(
    backbone: Backbone, table: FaceTable, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _cache(backbone, table).fill()
    computed.clear()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "mkdir", "replace", "rename"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    cache = _cache(backbone, table)
    cache.fill()
    assert torch.equal(cache.features(_rows(table)), _expected(backbone, table))
    assert computed == []
