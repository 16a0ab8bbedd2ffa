"""Listing and pruning stores."""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError
from facesim.model.bucket_locks import BucketLocks
from facesim.model.cache_admin import Pruned, StoreDescription, list_stores, prune, verify_stores
from facesim.model.feature_chunk import Chunk
from facesim.model.feature_store import FeatureStore, MissingFeaturesError, Verification
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


def test_compressed_stores_are_listed_verified_and_pruned_as_all_others(tmp_path: Path) -> None:
    folder = _store(tmp_path, "mixed", 1).folder
    more = FeatureStore(folder, (5,), np.float16, compressed=True)
    more.append(DIGESTS + 1, np.ones((10, 5), np.float16))
    only = FeatureStore(tmp_path / "only", (5,), np.float16, compressed=True)
    only.append(DIGESTS, np.ones((10, 5), np.float16))
    StoreDescription.of("small", (5,), RECIPE).mark_used(only.folder)

    listed = {store.folder.name: store for store in list_stores(tmp_path)}

    assert listed["mixed"].stored_as == "float16, partly compressed"
    assert listed["only"].stored_as == "float16, compressed"
    assert listed["only"].size_bytes == listed["only"].compressed_bytes == only.size_bytes()
    assert 0 < listed["mixed"].compressed_bytes < listed["mixed"].size_bytes
    (damaged,) = only.folder.glob("*.zchunk")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    found = {store.folder.name: verified for store, verified in verify_stores(tmp_path)}
    assert found["mixed"] == Verification(2, 20, ())
    assert found["only"] == Verification(0, 0, (damaged.name,))
    assert len(prune(tmp_path, older_than_days=0).removed) == 2
    assert list(tmp_path.iterdir()) == []


def test_no_folder_is_no_stores(tmp_path: Path) -> None:
    assert list_stores(tmp_path / "nothing") == []
    assert prune(tmp_path / "nothing", max_gb=0) == Pruned((), ())


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

    pruned = prune(tmp_path, older_than_days=5)

    assert [store.folder.name for store in pruned.removed] == ["b", "c"]
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
        assert prune(tmp_path, max_gb=0) == Pruned((), ())

    assert "is being filled" in caplog.text
    assert _names(tmp_path) == ["a"]


def test_a_reader_of_a_pruned_store_misses_its_features_and_gets_no_others(tmp_path: Path) -> None:
    _store(tmp_path, "a", 1)
    reader = FeatureStore(tmp_path / "a", (5,), np.float16)
    prune(tmp_path, max_gb=0)

    with pytest.raises(MissingFeaturesError):
        reader.read(reader.locate(DIGESTS))
    assert len(reader.missing(DIGESTS)) == 10


def _among_the_stores(root: Path) -> None:
    """Two stores, one of them damaged; a foreign file, a foreign folder, and half a store."""
    _store(root, "whole", 1)
    _store(root, "damaged", 2)
    (chunk,) = (root / "damaged").glob("*.chunk")
    chunk.write_bytes(bytes(chunk.stat().st_size))
    _store(root, "half", 3)
    (root / "half" / "store.json").write_text("{")
    (root / "notes.txt").write_text("mine")
    (root / "photos").mkdir()
    (root / "photos" / "a.jpg").write_text("mine")


def test_verification_goes_on_after_what_it_cannot_read(tmp_path: Path) -> None:
    _among_the_stores(tmp_path)
    found = {store.folder.name: what for store, what in verify_stores(tmp_path)}
    whole, damaged = found.pop("whole"), found.pop("damaged")
    assert isinstance(whole, Verification)
    assert whole.rows == 10
    assert isinstance(damaged, Verification)
    assert len(damaged.dropped) == 1
    assert {name: str(error).partition(": ")[2] for name, error in found.items()} == {
        "half": "its store.json is missing or damaged; the next run that uses the store writes it "
        "again, and `facesim cache prune` removes unused stores",
        "notes.txt": "is no store of facesim; move it elsewhere",
        "photos": "is no store of facesim; move it elsewhere",
    }


def test_verification_names_chunks_that_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _store(tmp_path, "one", 1)
    store.append(DIGESTS[:1] + 1, np.ones((1, 5), np.float16))
    bad, _ = sorted(path.name for path in store.folder.glob("*.chunk"))
    verify = Chunk.verify

    def fail(chunk: Chunk) -> None:
        if chunk.path.name == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        verify(chunk)

    monkeypatch.setattr(Chunk, "verify", fail)
    ((_, found),) = verify_stores(tmp_path)
    assert isinstance(found, Verification)
    assert found.unreadable == (f"{bad} cannot be read: Input/output error",)
    assert found.chunks == 1
    assert (store.folder / bad).exists()


def test_a_damaged_chunk_that_cannot_be_removed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _among_the_stores(tmp_path)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    store = FeatureStore(tmp_path / "damaged", (5,), np.float16)
    assert len(store.missing(DIGESTS)) == 10
    store.append(DIGESTS[:3], np.ones((3, 5), np.float16))
    assert len(store.missing(DIGESTS)) == 7
    (reason,) = store.verify().unreadable
    assert "cannot be removed: Read-only file system" in reason


def test_a_store_that_is_removed_meanwhile_is_no_problem(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _store(tmp_path, name, 1)
    seen = []
    for store, _ in verify_stores(tmp_path):
        seen.append(store.folder.name)
        prune(tmp_path, max_gb=0)
    assert len(seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_prune_leaves_what_is_no_store_and_says_so(tmp_path: Path) -> None:
    _among_the_stores(tmp_path)
    pruned = prune(tmp_path, max_gb=0)
    assert {store.folder.name for store in pruned.removed} == {"whole", "damaged", "half"}
    assert [line.partition(": ")[2] for line in pruned.problems] == 2 * [
        "is no store of facesim; move it elsewhere"
    ]
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "photos" / "a.jpg").read_text() == "mine"


def test_prune_goes_on_after_a_store_that_it_may_not_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, days in (("a", 1), ("b", 2)):
        _store(tmp_path, name, days)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    pruned = prune(tmp_path, max_gb=0)
    assert [store.folder.name for store in pruned.removed] == ["b"]
    assert pruned.problems == (f"{tmp_path}/a: cannot be removed: Permission denied",)


@pytest.mark.parametrize("size", [float("nan"), float("inf")])
def test_a_limit_is_a_number(tmp_path: Path, size: float) -> None:
    with pytest.raises(FacesimError, match="write a finite number"):
        prune(tmp_path, max_gb=size)
