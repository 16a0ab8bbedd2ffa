import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.data.augmentation import Augmentation
from facesim.data.image_digests import TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.heartbeats import GroupFailedError, RankFailure
from facesim.interfaces import Backbone, FaceTable, MiningSampler, PairBatch, Sampler
from facesim.interfaces.transform import CallableTransform
from facesim.model.inputs import CachedInputs, PixelInputs
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_engine import EagerEngine
from facesim.model.trunk_key import TrunkRecipe
from facesim.processes import Processes
from facesim.runs.run import Run
from facesim.training.checkpoint import read_checkpoint
from tests.facesim.lockstep import Lockstep, in_lockstep

PREPROCESSING = Preprocessing((20, 16))


def darken(image: Tensor) -> Tensor:
    return image // int(torch.randint(2, 5, ()))


@pytest.fixture
def inputs(table: FaceTable) -> PixelInputs:
    return PixelInputs(table, PREPROCESSING, transforms=(CallableTransform(darken),), seed=3)


def pixels(table: FaceTable, rows: list[int]) -> Tensor:
    return torch.stack(
        [torch.from_numpy(PREPROCESSING.decode(table.path(row))) for row in rows]
    ).permute(0, 3, 1, 2)


def test_batches_hold_the_augmented_pixels_of_their_images(
    inputs: PixelInputs, table: FaceTable
) -> None:
    batch = PairBatch.of_pairs(np.array([[9, 3], [3, 60]]), np.arange(70))
    for epoch in (0, 1):
        ((same, read),) = inputs.batches([batch], epoch)
        augmentation = Augmentation(inputs.transforms, 3, epoch)
        plain = pixels(table, [3, 9, 60])
        expected = [augmentation(image, row) for image, row in zip(plain, (3, 9, 60), strict=True)]
        assert same is batch
        assert read.kind == "pixels"
        assert torch.equal(read.values, torch.stack(expected))
        assert not torch.equal(read.values, plain)


def test_rows_come_in_order_in_batches_and_as_they_are(
    inputs: PixelInputs, table: FaceTable
) -> None:
    parts = list(inputs.rows(np.array([9, 60, 3]), 2))
    assert [(len(part), part.kind) for part in parts] == [(2, "pixels"), (1, "pixels")]
    assert torch.equal(torch.cat([part.values for part in parts]), pixels(table, [9, 60, 3]))


EXPERIMENT = """
name: cached
data:
  train: {{name: synthetic_faces, identities: 8, images_per_identity: 6, size: 24}}
  val: {{name: synthetic_faces, identities: 8, images_per_identity: 6, first_identity: 8, size: 24}}
  test: {{name: synthetic_faces, identities: 8, images_per_identity: 6, first_identity: 16,
          size: 24}}
  workers: 0
image: {{size: [24, 24]}}
trunk_cache: {trunk_cache}
transforms: {transforms}
backbone: {{name: small_cnn, width: 4, frozen_stages: 2}}
head: {{name: mlp, fc_dim: 8, out_dim: 4}}
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: adam
train: {{epochs: 2, batch_size: 8}}
"""


def trained(folder: Path, trunk_cache: str, transforms: str) -> tuple[dict[str, torch.Tensor], str]:
    file = folder / f"{trunk_cache}.yaml"
    file.write_text(EXPERIMENT.format(trunk_cache=trunk_cache, transforms=transforms))
    run = Run.begin(load_experiment(file), folder / trunk_cache)
    run.complete()
    weights = read_checkpoint(run.checkpoints.file("last"))["network"]
    return weights, (run.directory.evaluation("test") / "metrics.json").read_text()


@pytest.mark.parametrize("transforms", ["[]", "[horizontal_flip]"])
def test_float32_features_give_the_same_weights_as_pixels(
    transforms: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    cached, figures = trained(tmp_path, "float32", transforms)
    plain, plain_figures = trained(tmp_path, "off", transforms)
    assert list((tmp_path / "cache" / "trunk").iterdir())
    assert all(torch.equal(cached[name], plain[name]) for name in plain)
    assert figures == plain_figures


def test_half_precision_features_give_nearly_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    cached, _ = trained(tmp_path, "float16", "[]")
    plain, _ = trained(tmp_path, "off", "[]")
    for name, weights in plain.items():
        torch.testing.assert_close(cached[name], weights, rtol=0.05, atol=0.02)


def test_compression_changes_no_weight_and_no_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for trunk_cache in ("float16", "float16_compressed"):
        monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / f"cache-{trunk_cache}"))
        results.append(trained(tmp_path, trunk_cache, "[horizontal_flip]"))
    (plain, plain_metrics), (compressed, compressed_metrics) = results
    assert list((tmp_path / "cache-float16_compressed").rglob("*.zchunk"))
    assert all(torch.equal(compressed[name], plain[name]) for name in plain)
    assert compressed_metrics == plain_metrics


class Listed(Sampler):
    """Gives the batches that it is given, for every epoch those of its number."""

    def __init__(self, epochs: list[list[list[int]]]) -> None:
        self.epochs = epochs
        self.drawn = 0

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for images in self.epochs[epoch]:
            self.drawn += 1
            pairs = np.array(images).reshape(-1, 2)
            yield PairBatch.of_pairs(pairs, np.arange(70))

    def __len__(self) -> int:
        return len(self.epochs[0])


class ListedMining(Listed, MiningSampler):
    def mine(self, embeddings: Tensor, epoch: int) -> None: ...

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


def cache_of(backbone: Backbone, table: FaceTable, *, flipped: bool = False) -> TrunkCache:
    recipe = TrunkRecipe(Preprocessing((20, 16)), flipped=flipped, dtype="float32")
    return TrunkCache(EagerEngine(backbone), TableDigests(table), recipe, name="tiny")


@pytest.fixture
def warmed(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Sampler, range], list[int]]:
    """The rows of the table, of 70, that are in the cache after it was warmed for some epochs."""
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))

    def rows(sampler: Sampler, epochs: range) -> list[int]:
        cache = cache_of(backbone, table)
        inputs = CachedInputs(cache)
        inputs.warm(inputs.rows_of_epochs(sampler, epochs), Processes(), training=True)
        return [row for row in range(70) if not cache.missing(np.array([row]))]

    return rows


EPOCHS = [[[0, 1], [2, 3]], [[2, 3], [8, 9]], [[60, 61]]]


def test_what_some_epochs_use_is_computed_in_advance_and_nothing_else(
    warmed: Callable[[Sampler, range], list[int]],
) -> None:
    assert warmed(Listed(EPOCHS), range(1, 3)) == [2, 3, 8, 9, 60, 61]


def test_no_epochs_need_nothing(warmed: Callable[[Sampler, range], list[int]]) -> None:
    assert warmed(Listed(EPOCHS), range(3, 3)) == []
    assert warmed(ListedMining(EPOCHS), range(3, 3)) == []


def test_where_as_many_images_are_drawn_as_there_are_all_are_computed_and_no_more_is_drawn(
    warmed: Callable[[Sampler, range], list[int]],
) -> None:
    sampler = Listed([[[row, row + 1] for row in range(0, 20, 2)]] * 50)
    assert warmed(sampler, range(50)) == list(range(70))
    assert sampler.drawn == 35


def test_a_sampler_that_mines_needs_all(warmed: Callable[[Sampler, range], list[int]]) -> None:
    assert warmed(ListedMining(EPOCHS), range(2)) == list(range(70))


def filled(cache: TrunkCache) -> set[int]:
    return {row for row in range(70) if not cache.missing(np.array([row]))}


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_processes_fill_their_shares_and_where_each_has_a_folder_the_rest(
    backbone: Backbone,
    table: FaceTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    shared: bool,
) -> None:
    computed: list[int] = []
    fill = TrunkCache.fill

    def noted(self: TrunkCache, rows: Int64Array, advance: Callable[[int], None]) -> None:
        computed.append(self.missing(rows))
        fill(self, rows, advance)

    monkeypatch.setattr(TrunkCache, "fill", noted)

    def work(processes: Lockstep) -> set[int]:
        folder = tmp_path / ("shared" if shared else str(processes.rank))
        monkeypatch.setenv("FACESIM_CACHE", str(folder))
        cache = cache_of(backbone, table)
        CachedInputs(cache).warm(np.arange(5, 70), processes, training=True)
        return filled(cache)

    assert in_lockstep(size, work) == [set(range(5, 70))] * size
    assert sum(computed) == 65 * (1 if shared else size)
    shares = computed[:size]
    assert sum(shares) == 65
    assert all(shares)


def test_a_process_that_has_all_takes_part_with_one_that_has_nothing(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(processes: Lockstep) -> set[int]:
        monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / str(processes.rank)))
        cache = cache_of(backbone, table)
        if processes.rank == 1:
            cache.fill()
        CachedInputs(cache).warm(np.arange(70), processes, training=True)
        return filled(cache)

    assert in_lockstep(2, work) == [set(range(70))] * 2


def test_filling_ends_where_another_process_fails(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Processes):
        def require_alive(self) -> None:
            raise GroupFailedError(RankFailure(1, "beta", "was killed"), 2, should_print=True)

    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    with pytest.raises(GroupFailedError, match="process 1 of 2 on beta: was killed"):
        CachedInputs(cache_of(backbone, table)).warm(np.arange(70), Failing(), training=False)


@pytest.mark.parametrize("row", range(3))
def test_an_image_that_cannot_be_used_is_an_error_of_all_processes_which_are_in_step_after_it(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    path = table.path(row)
    path.write_bytes(path.read_bytes()[:60])

    def work(processes: Lockstep) -> str:
        cache = cache_of(backbone, table)
        with pytest.raises(FacesimError, match=path.name):
            CachedInputs(cache).warm(np.arange(70), processes, training=False)
        return processes.broadcast("next" if processes.is_main else "")

    assert in_lockstep(2, work) == ["next"] * 2


def test_where_a_stop_is_requested_no_process_fills_on_and_all_stay_in_step(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the main process has nothing left to fill, and so comes to no advance."""

    def work(processes: Lockstep) -> tuple[int, str]:
        monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / str(processes.rank)))
        caches = [cache_of(backbone, table, flipped=flipped) for flipped in (False, True)]
        if processes.is_main:
            caches[0].fill()
        processes.request_stop(15)
        inputs = CachedInputs(caches[0], mirrored=caches[1])
        inputs.warm(np.arange(70), processes, training=True)
        return len(filled(caches[1])), processes.broadcast("next")

    assert in_lockstep(2, work) == [(0, "next")] * 2


def mirror_at_random(image: Tensor) -> Tensor:
    return image.flip(2) if torch.rand(()) < 0.5 else image


@pytest.fixture
def mirroring(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CachedInputs:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    return CachedInputs(
        cache_of(backbone, table),
        mirrored=cache_of(backbone, table, flipped=True),
        mirroring=(CallableTransform(mirror_at_random, only_mirrors=True),),
        seed=3,
    )


def test_the_rows_that_the_augmentation_mirrors_come_from_the_mirrored_view(
    mirroring: CachedInputs,
) -> None:
    rows = np.arange(70)
    batch = PairBatch.of_pairs(rows.reshape(35, 2), rows)
    ((_, inputs),) = mirroring.batches([batch], epoch=1)
    augmentation = Augmentation(mirroring.mirroring, 3, 1)
    wide = torch.arange(6, dtype=torch.uint8).expand(3, 4, 6)
    flipped = [not torch.equal(augmentation(wide, row), wide) for row in range(70)]
    assert 0 < sum(flipped) < 70
    assert mirroring.mirrored is not None
    plain, mirrored = (cache.features(rows) for cache in (mirroring.plain, mirroring.mirrored))
    expected = torch.where(torch.tensor(flipped).view(-1, 1, 1, 1), mirrored, plain)
    assert inputs.kind == "trunk_output"
    assert torch.equal(inputs.values, expected)


def test_training_warms_both_views_and_evaluation_only_the_plain_one(
    mirroring: CachedInputs,
) -> None:
    rows: Int64Array = np.arange(8)
    assert mirroring.mirrored is not None
    mirroring.warm(rows, Processes(), training=False)
    assert (len(mirroring.plain.store), len(mirroring.mirrored.store)) == (8, 0)
    mirroring.warm(rows, Processes(), training=True)
    assert (len(mirroring.plain.store), len(mirroring.mirrored.store)) == (8, 8)


def test_rows_come_in_order_in_batches_and_never_mirrored(mirroring: CachedInputs) -> None:
    rows = np.array([5, 60, 7, 8, 2])
    parts = list(mirroring.rows(rows, 2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part.values for part in parts]), mirroring.plain.features(rows))


def test_mirroring_is_drawn_on_the_callers_thread(backbone: Backbone, table: FaceTable) -> None:
    """It seeds torch's global generator, which only one thread may use."""
    threads: set[threading.Thread] = set()

    def mirror(image: Tensor) -> Tensor:
        threads.add(threading.current_thread())
        return image.flip(2)

    def cache(*, flipped: bool) -> TrunkCache:
        recipe = TrunkRecipe(PREPROCESSING, flipped=flipped)
        return TrunkCache(EagerEngine(backbone), TableDigests(table), recipe, name="t")

    inputs = CachedInputs(
        cache(flipped=False),
        mirrored=cache(flipped=True),
        mirroring=(CallableTransform(mirror),),
    )
    batches = [PairBatch.of_pairs(np.array([[row, row + 1]]), np.arange(70)) for row in range(4)]
    assert [batch for batch, _ in inputs.batches(batches, 0)] == batches
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("mirrors", [True, False])
def test_features_are_read_ahead_on_another_thread(
    mirroring: CachedInputs, monkeypatch: pytest.MonkeyPatch, mirrors: bool
) -> None:
    inputs = mirroring if mirrors else CachedInputs(mirroring.plain)
    threads: set[threading.Thread] = set()
    features = TrunkCache.features

    def read(cache: TrunkCache, rows: Int64Array) -> torch.Tensor:
        threads.add(threading.current_thread())
        return features(cache, rows)

    monkeypatch.setattr(TrunkCache, "features", read)
    batches = (PairBatch.of_pairs(np.array([[row, row + 1]]), np.arange(70)) for row in range(9))
    drawn = inputs.batches(batches, 0)
    next(drawn)
    assert threads
    assert threading.current_thread() not in threads
    getattr(drawn, "close")()  # noqa: B009
    assert not [each for each in threads if each.is_alive()]


def test_features_are_widened_on_the_thread_that_reads_them(
    backbone: Backbone, table: FaceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    threads, copy = [], Tensor.copy_

    def noted(into: Tensor, values: Tensor) -> Tensor:
        threads.append(threading.current_thread())
        return copy(into, values)

    recipe = TrunkRecipe(PREPROCESSING)
    cache = TrunkCache(EagerEngine(backbone), TableDigests(table), recipe, name="t")
    cache.fill()
    monkeypatch.setattr(Tensor, "copy_", noted)
    batches = [PairBatch.of_pairs(np.array([[row, row + 1]]), np.arange(70)) for row in range(9)]
    narrow = [read.values for _, read in CachedInputs(cache).batches(batches, 0)]
    assert threads == []
    wide = [read.values for _, read in CachedInputs(cache).batches(batches, 0, dtype=torch.float32)]
    assert {values.dtype for values in narrow} == {torch.float16}
    assert {values.dtype for values in wide} == {torch.float32}
    assert all(torch.equal(a.float(), b) for a, b in zip(narrow, wide, strict=True))
    assert all(a.stride() == b.stride() for a, b in zip(narrow, wide, strict=True))
    assert len(threads) == 9
    assert threading.current_thread() not in threads
