"""Embeddings of a trained network, computed once."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesim.arrays import Int64Array
from facesim.console import warn_once
from facesim.data.image_digests import TableDigests
from facesim.data.preprocessing import Preprocessing
from facesim.errors import DataError, FacesimError
from facesim.evaluation.embedding import Embedder
from facesim.interfaces import Backbone, FaceTable, Loss, ModuleHead, PairBatch
from facesim.model.cache_admin import list_stores, prune, stores_root
from facesim.model.embedding_cache import EmbeddingCache
from facesim.model.inputs import PixelInputs
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.model.trunk_key import TrunkRecipe
from facesim.processes import Processes

PREPROCESSING = Preprocessing((20, 16))
RECIPE = TrunkRecipe(PREPROCESSING, dtype="float32")


class Distance(Loss):
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return embeddings.sum()

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        distance: Tensor = (a - b).norm(dim=1)
        return -distance


class CountingInputs(PixelInputs):
    """Counts the images that are read for the network, and may fail after some batches."""

    def __init__(self, table: FaceTable, fails_after: int | None = None) -> None:
        super().__init__(table, PREPROCESSING)
        self.embedded: list[int] = []
        self.fails_after = fails_after

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
        for inputs in super().rows(rows, batch_size):
            if len(self.embedded) == self.fails_after:
                raise KeyboardInterrupt
            self.embedded.append(len(inputs))
            yield inputs


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def network(backbone: Backbone) -> SiameseNetwork:
    torch.manual_seed(1)
    return SiameseNetwork(backbone, ModuleHead(nn.Linear(4, 3)), Distance(), 3).eval()


def embedded(
    network: SiameseNetwork,
    inputs: CountingInputs,
    rows: Int64Array,
    *,
    cached: bool = True,
    recipe: TrunkRecipe = RECIPE,
) -> Tensor:
    cache = EmbeddingCache(network, TableDigests(inputs.table), recipe, "net") if cached else None
    return Embedder(network, inputs, 8, Processes(), cache=cache).embed(rows)


ROWS = np.array([60, 3, *range(10, 40)])


def test_embeddings_are_the_same_with_and_without_a_cache(
    network: SiameseNetwork, table: FaceTable
) -> None:
    plain = embedded(network, CountingInputs(table), ROWS, cached=False)
    assert plain.shape == (32, 3)
    for _ in range(2):
        torch.testing.assert_close(
            embedded(network, CountingInputs(table), ROWS), plain, rtol=0, atol=0
        )


def test_a_second_time_no_image_goes_through_the_network(
    network: SiameseNetwork, table: FaceTable
) -> None:
    first, second = CountingInputs(table), CountingInputs(table)
    embedded(network, first, ROWS)
    embedded(network, second, ROWS[::-1].copy())
    assert (first.embedded, second.embedded) == ([8] * 4, [])


def test_only_batches_with_something_new_are_computed(
    network: SiameseNetwork, table: FaceTable
) -> None:
    embedded(network, CountingInputs(table), np.arange(20))
    inputs = CountingInputs(table)
    embedded(network, inputs, np.arange(36))  # batches of 8: the third is half known
    assert inputs.embedded == [8, 8, 4]


def test_what_a_killed_writer_left_in_the_store_is_removed(
    network: SiameseNetwork, table: FaceTable
) -> None:
    embedded(network, CountingInputs(table), ROWS)
    (store,) = stores_root().iterdir()
    leftover = store / ".store.json.a.tmp"
    leftover.touch()
    os.utime(leftover, (0, 0))
    embedded(network, CountingInputs(table), ROWS)
    assert not leftover.exists()


def test_the_network_stays_in_its_mode(network: SiameseNetwork, table: FaceTable) -> None:
    embedded(network.train(), CountingInputs(table), ROWS)
    assert network.training


def change_weight(network: SiameseNetwork) -> None:
    with torch.no_grad():
        next(network.head.parameters()).add_(1e-6)


def change_buffer(network: SiameseNetwork) -> None:
    network.backbone.mean.add_(1)


def change_settings(network: SiameseNetwork) -> None:
    convolution = network.backbone.get_submodule("tail.0")
    assert isinstance(convolution, nn.Conv2d)
    convolution.padding = (1, 1)


@pytest.mark.parametrize("change", [change_weight, change_buffer, change_settings])
def test_another_network_has_other_embeddings(
    network: SiameseNetwork, table: FaceTable, change: Callable[[SiameseNetwork], None]
) -> None:
    embedded(network, CountingInputs(table), ROWS)
    change(network)
    inputs = CountingInputs(table)
    embedded(network, inputs, ROWS)
    assert sum(inputs.embedded) == len(ROWS)


@pytest.mark.parametrize(
    "recipe",
    [
        TrunkRecipe(Preprocessing((20, 16), (0, 0, 10, 10)), dtype="float32"),
        TrunkRecipe(PREPROCESSING, dtype="float16"),
        TrunkRecipe(PREPROCESSING, dtype="float32", precision="bfloat16"),
    ],
)
def test_another_preprocessing_has_other_embeddings(
    network: SiameseNetwork, table: FaceTable, recipe: TrunkRecipe
) -> None:
    embedded(network, CountingInputs(table), ROWS)
    inputs = CountingInputs(table)
    embedded(network, inputs, ROWS, recipe=recipe)
    assert sum(inputs.embedded) == len(ROWS)


def test_another_loss_changes_no_embedding(network: SiameseNetwork, table: FaceTable) -> None:
    embedded(network, CountingInputs(table), ROWS)
    network.loss = type("Other", (Distance,), {})()
    inputs = CountingInputs(table)
    embedded(network, inputs, ROWS)
    assert inputs.embedded == []


def test_what_was_computed_before_an_interruption_is_kept_and_the_rest_is_the_same(
    network: SiameseNetwork, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesim.model.feature_store._CHUNK_ROWS", 10)
    with pytest.raises(KeyboardInterrupt):
        embedded(network, CountingInputs(table, fails_after=3), ROWS)
    inputs = CountingInputs(table)
    resumed = embedded(network, inputs, ROWS)
    assert inputs.embedded == [8] * 2  # of 24 computed, two chunks of 10 were written
    plain = embedded(network, CountingInputs(table), ROWS, cached=False)
    torch.testing.assert_close(resumed, plain, rtol=0, atol=0)


def test_embeddings_that_are_damaged_on_disk_are_computed_again(
    network: SiameseNetwork, table: FaceTable
) -> None:
    expected = embedded(network, CountingInputs(table), ROWS)
    (chunk,) = stores_root().glob("*/*.chunk")
    content = bytearray(chunk.read_bytes())
    content[5] ^= 0xFF
    chunk.write_bytes(content)
    torch.testing.assert_close(embedded(network, CountingInputs(table), ROWS), expected)


def test_embeddings_that_always_vanish_end_in_an_error(
    network: SiameseNetwork, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddingCache, "flush", lambda self: None)
    with pytest.raises(FacesimError, match="missing right after they were written"):
        embedded(network, CountingInputs(table), ROWS)


def test_an_image_that_changes_in_between_is_refused(
    network: SiameseNetwork, table: FaceTable
) -> None:
    class Changing(CountingInputs):
        def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
            yield from super().rows(rows, batch_size)
            table.path(3).write_bytes(table.path(4).read_bytes())

    with pytest.raises(DataError, match=r"003\.png: it has changed while it was evaluated"):
        embedded(network, Changing(table), ROWS)


def test_one_content_in_two_rows_is_embedded(network: SiameseNetwork, table: FaceTable) -> None:
    table.path(3).write_bytes(table.path(60).read_bytes())
    embeddings = embedded(network, CountingInputs(table), ROWS)
    torch.testing.assert_close(embeddings[0], embeddings[1])


def test_no_rows_are_no_embeddings(network: SiameseNetwork, table: FaceTable) -> None:
    nothing = np.empty(0, np.int64)
    for cached in (True, False):
        assert embedded(network, CountingInputs(table), nothing, cached=cached).shape == (0, 3)


def test_the_commands_that_look_after_the_trunk_cache_see_them(
    network: SiameseNetwork, table: FaceTable
) -> None:
    embedded(network, CountingInputs(table), ROWS)
    (store,) = list_stores(stores_root())
    assert store.description is not None
    assert store.description.backbone == "net, embeddings"
    assert store.description.dtype == "float32"
    assert store.open().verify().rows == len(ROWS)
    prune(stores_root(), max_gb=0)
    assert list_stores(stores_root()) == []


def test_an_embedding_stays_when_others_of_its_batch_are_added(
    network: SiameseNetwork, table: FaceTable
) -> None:
    """In a batch of other images its last bit may differ."""
    cache = EmbeddingCache(network, TableDigests(table), RECIPE, "net")
    cache.keep(np.array([3, 4]), torch.zeros(2, 3))
    cache.flush()
    cache.store.refresh()
    cache.keep(np.array([3, 4, 5]), torch.ones(3, 3))
    cache.flush()
    again = EmbeddingCache(network, TableDigests(table), RECIPE, "net")
    again.store.refresh()
    assert again.read(np.array([3, 4, 5])).tolist() == [[0.0] * 3, [0.0] * 3, [1.0] * 3]


def test_without_a_place_for_the_cache_embeddings_are_the_same_and_that_is_said_once(
    network: SiameseNetwork,
    table: FaceTable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = embedded(network, CountingInputs(table), ROWS)
    monkeypatch.setenv("FACESIM_CACHE", "/dev/null/cache")
    warn_once.cache_clear()
    for _ in range(2):
        assert torch.equal(embedded(network, CountingInputs(table), ROWS), expected)
    assert caplog.text.count("Until then every evaluation computes all embeddings") == 1


def test_a_warm_cache_that_cannot_be_written_serves(
    network: SiameseNetwork, table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = embedded(network, CountingInputs(table), ROWS)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "mkdir", "replace", "rename"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    inputs = CountingInputs(table)
    assert torch.equal(embedded(network, inputs, ROWS), expected)
    assert inputs.embedded == []
