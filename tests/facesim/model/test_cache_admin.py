"""Listing and pruning stores."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.model.bucket_locks import BucketLocks
from facesim.model.cache_admin import StoreDescription, list_stores, prune
from facesim.model.feature_store import FeatureStore, MissingFeaturesError
from facesim.model.trunk_key import TrunkRecipe

RECIPE = TrunkRecipe(Preprocessing((8, 9), (1, 2, 3, 4)), flipped=True)
DIGESTS = np.arange(160, dtype=np.uint8).reshape(10, 16)


def _store(root: Path, name: str, days_old: float) -> FeatureStore:
    store = FeatureStore(root / name, (5,), np.float16)
    store.append(DIGESTS, np.ones((10, 5), np.float16))
    StoreDescription.of("small", (5,), RECIPE).mark_used(store.folder)
    used = time.time() - days_old * 86400
    os.utime(store.folder / "store.json", (used, used))
    return store


def _names(root: Path) -> list[str]:
    return [store.folder.name for store in list_stores(root)]


def test_stores_are_listed_with_what_they_are_of_the_last_used_first(tmp_path: Path) -> None:
    _store(tmp_path, "old", 3)
    new = _store(tmp_path, "new", 1)

    first, second = list_stores(tmp_path)

    assert (first.folder.name, second.folder.name) == ("new", "old")
    assert first.size_bytes == new.size_bytes()
    assert first.description is not None
    assert first.description.backbone == "small"
    assert first.description.view == "flipped"
    assert first.description.size == (8, 9)
    assert first.description.crop == (1, 2, 3, 4)
    assert len(first.open()) == 10
    assert first.open().verify().rows == 10


def test_no_folder_is_no_stores(tmp_path: Path) -> None:
    assert list_stores(tmp_path / "nothing") == []
    assert prune(tmp_path / "nothing", max_gb=0) == []


@pytest.mark.parametrize("text", [None, "", "{}", '{"backbone": 3}'])
def test_a_store_without_a_description_is_listed_and_says_so(
    tmp_path: Path, text: str | None
) -> None:
    _store(tmp_path, "one", 0)
    (tmp_path / "one" / "store.json").unlink()
    if text is not None:
        (tmp_path / "one" / "store.json").write_text(text)

    (store,) = list_stores(tmp_path)

    assert store.description is None
    with pytest.raises(FacesimError, match=r"store\.json is missing or damaged"):
        store.open()


def test_using_a_store_makes_it_young_and_keeps_its_description(tmp_path: Path) -> None:
    _store(tmp_path, "one", 9)
    (before,) = list_stores(tmp_path)
    StoreDescription.of("another name", (5,), RECIPE).mark_used(tmp_path / "one")
    (after,) = list_stores(tmp_path)

    assert after.last_used > before.last_used
    assert after.description == before.description


def test_prune_removes_what_was_not_used_for_long(tmp_path: Path) -> None:
    for name, days in (("a", 1), ("b", 10), ("c", 20)):
        _store(tmp_path, name, days)

    removed = prune(tmp_path, older_than_days=5)

    assert [store.folder.name for store in removed] == ["b", "c"]
    assert _names(tmp_path) == ["a"]


def test_prune_keeps_what_was_used_last_within_the_bytes(tmp_path: Path) -> None:
    for name, days in (("a", 1), ("b", 10), ("c", 20)):
        _store(tmp_path, name, days)
    each = list_stores(tmp_path)[0].size_bytes

    prune(tmp_path, max_gb=2 * each / 1e9)
    assert _names(tmp_path) == ["a", "b"]
    prune(tmp_path, max_gb=(2 * each - 1) / 1e9)
    assert _names(tmp_path) == ["a"]
    prune(tmp_path, max_gb=0)
    assert list(tmp_path.iterdir()) == []


def test_prune_needs_a_limit(tmp_path: Path) -> None:
    _store(tmp_path, "a", 1000)

    with pytest.raises(FacesimError, match="give --older-than DAYS or --max-gb SIZE"):
        prune(tmp_path)
    assert _names(tmp_path) == ["a"]


def test_what_an_interrupted_removal_left_is_neither_listed_nor_kept(tmp_path: Path) -> None:
    _store(tmp_path, "a", 1)
    (tmp_path / "a").rename(tmp_path / ".a-0123")

    assert list_stores(tmp_path) == []
    prune(tmp_path, max_gb=1)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_being_filled_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _store(tmp_path, "a", 1)
    with BucketLocks(tmp_path / "a") as claims:
        assert claims.acquire(7)
        assert prune(tmp_path, max_gb=0) == []

    assert "is being filled" in caplog.text
    assert _names(tmp_path) == ["a"]


def test_a_reader_of_a_pruned_store_misses_its_features_and_gets_no_others(tmp_path: Path) -> None:
    _store(tmp_path, "a", 1)
    reader = FeatureStore(tmp_path / "a", (5,), np.float16)
    prune(tmp_path, max_gb=0)

    with pytest.raises(MissingFeaturesError):
        reader.read(reader.locate(DIGESTS))
    assert len(reader.missing(DIGESTS)) == 10
