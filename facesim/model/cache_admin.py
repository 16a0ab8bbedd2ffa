"""The stores of the trunk cache: their metadata, listing them, and pruning."""

import errno
import logging
import math
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from facesim.alignment.fit import Fit
from facesim.atomic import write_text
from facesim.data.decoding import decoder_versions
from facesim.errors import FacesimError
from facesim.folders import make_folder
from facesim.model.bucket_locks import BUCKETS, CLAIMS, BucketLocks
from facesim.model.feature_chunk import COMPRESSED_SUFFIX, SUFFIXES
from facesim.model.feature_store import FeatureStore, Verification
from facesim.paths import CHECK_CACHE, cache_dir

if TYPE_CHECKING:  # it would import torch, and `facesim cache list` with it
    from facesim.model.trunk_key import TrunkRecipe

EngineName = Literal["eager", "compiled", "onnxruntime"]
"""What runs a frozen trunk, see :mod:`facesim.model.trunk_engine`."""

log = logging.getLogger(__name__)

_FILE = "store.json"


def stores_root() -> Path:
    """The folder of all stores, of trunk outputs and of embeddings, one folder per key."""
    return cache_dir() / "trunk"


@dataclass(frozen=True)
class StoreDescription:
    """Human-readable metadata of a store, for `facesim cache list`; not part of its key.

    Attributes:
        backbone: its name in the experiment.
        row_shape: of one image's features on disk.
        dtype: of the features.
        view: plain, or flipped left to right.
        precision: in which the trunk computes.
        size: (height, width) of the pixels.
        crop: (left, top, width, height) in the image, or None.
        decoder: versions of the libraries that decoded.
        created: ISO 8601.
        fit: how images of another aspect ratio reach the size.
        engine: what ran the trunk; only eager did before there was a choice.
    """

    backbone: str
    row_shape: tuple[int, ...]
    dtype: Literal["float16", "float32"]
    view: Literal["plain", "flipped"]
    precision: Literal["float32", "bfloat16"]
    size: tuple[int, int]
    crop: tuple[int, int, int, int] | None
    decoder: str
    created: str
    fit: Fit = "stretch"
    engine: EngineName = "eager"

    @classmethod
    def of(
        cls,
        backbone: str,
        row_shape: tuple[int, ...],
        recipe: "TrunkRecipe",
        engine: EngineName = "eager",
    ) -> "StoreDescription":
        """The description of a store that is created now."""
        return cls(
            backbone=backbone,
            row_shape=row_shape,
            dtype=recipe.dtype,
            view="flipped" if recipe.flipped else "plain",
            precision=recipe.precision,
            size=recipe.preprocessing.size,
            crop=recipe.preprocessing.crop,
            fit=recipe.preprocessing.fit,
            decoder=decoder_versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            engine=engine,
        )

    @classmethod
    def read(cls, folder: Path) -> "StoreDescription | None":
        """The description of the store in a folder; None, with a warning, if it is invalid."""
        file = folder / _FILE
        try:
            return _ADAPTER.validate_json(file.read_bytes())
        except OSError as error:
            reason = str(error.strerror)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
        log.warning("%s: invalid store metadata: %s", file, reason)
        return None

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a folder holds the description of a store."""
        return os.path.isfile(folder / _FILE)  # noqa: PTH113  False also where it cannot be looked

    def mark_used(self, folder: Path) -> None:
        """Note that the store is used now, where that can be written.

        The description is written where there is none.
        """
        file = folder / _FILE
        try:
            if file.is_file():
                os.utime(file)
            else:
                make_folder(folder)
                write_text(file, _ADAPTER.dump_json(self, indent=2).decode() + "\n")
        except OSError as error:
            log.debug("%s is not marked as used: %s", folder, error)


_ADAPTER = TypeAdapter(StoreDescription)


@dataclass(frozen=True)
class StoreInfo:
    """One store on disk, or what lies among the stores.

    Attributes:
        folder: its path.
        description: its metadata; None if that cannot be read.
        size_bytes: of all its chunks.
        last_used: seconds since 1970.
        problem: why it cannot be read, or is no store; it is left alone then.
        compressed_bytes: those of compressed chunks.
    """

    folder: Path
    description: StoreDescription | None
    size_bytes: int
    last_used: float
    problem: str = ""
    compressed_bytes: int = 0

    @property
    def stored_as(self) -> str:
        """The features' type on disk: ``float16, compressed``."""
        dtype = self.description.dtype if self.description else "unreadable"
        if not self.compressed_bytes:
            return dtype
        whole = self.compressed_bytes == self.size_bytes
        return f"{dtype}, {'' if whole else 'partly '}compressed"

    def open(self) -> FeatureStore:
        """Open it, to count or to verify.

        Raises:
            FacesimError: it, or its metadata, cannot be read.
        """
        if self.problem:
            raise FacesimError(f"{self.folder}: {self.problem}")
        if self.description is None:
            raise FacesimError(
                f"{self.folder}: its {_FILE} is missing or damaged; the next run that uses the "
                "store writes it again, and `facesim cache prune` removes unused stores"
            )
        return FeatureStore(self.folder, self.description.row_shape, self.description.dtype)


def list_stores(root: Path) -> list[StoreInfo]:
    """All stores, the most recently used first; and what else lies there, as a problem.

    Raises:
        FacesimError: the folder of stores cannot be read.
    """
    try:
        paths = [path for path in root.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FacesimError(f"{root}: cannot be read: {error.strerror}. {CHECK_CACHE}") from error
    stores = [store for store in map(_store_at, paths) if store is not None]
    return sorted(stores, key=lambda store: store.last_used, reverse=True)


def _store_at(path: Path) -> StoreInfo | None:
    """None where another process has removed it."""
    try:
        names = [entry.name for entry in path.iterdir()]
        chunks = [name for name in names if name.endswith(SUFFIXES)]
        known = [*chunks, *(name for name in names if name in (_FILE, CLAIMS))]
        if names and not known:
            return StoreInfo(path, None, 0, 0.0, "is no store of facesim; move it elsewhere")
        sizes = {name: (path / name).stat().st_size for name in chunks}
        compressed = sum(sizes[name] for name in chunks if name.endswith(COMPRESSED_SUFFIX))
        last_used = (path / _FILE if _FILE in names else path).stat().st_mtime
        description = StoreDescription.read(path)
        return StoreInfo(
            path, description, sum(sizes.values()), last_used, compressed_bytes=compressed
        )
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return StoreInfo(path, None, 0, 0.0, "is no store of facesim; move it elsewhere")
    except OSError as error:
        return StoreInfo(path, None, 0, 0.0, f"cannot be read: {error.strerror}")


def verify_stores(root: Path) -> Iterator[tuple[StoreInfo, Verification | FacesimError]]:
    """Verify all stores, also while other processes fill and remove some.

    Yields:
        What was found in each, or why it cannot be read.
    """
    for store in list_stores(root):
        try:
            found = store.open().verify()
        except FacesimError as error:
            yield store, error
            continue
        if store.folder.exists():
            yield store, found


@dataclass(frozen=True)
class Pruned:
    """What :func:`prune` did.

    Attributes:
        removed: the stores that are gone.
        problems: what should have gone and could not, or is no store: a line for each.
    """

    removed: tuple[StoreInfo, ...]
    problems: tuple[str, ...]


def prune(
    root: Path, *, older_than_days: float | None = None, max_gb: float | None = None
) -> Pruned:
    """Remove stores that were not used for long, or do not fit; the most recently used stay.

    A store that a process is filling stays. One that a process is reading may be removed: that
    process computes again what it misses.

    Args:
        root: the folder of stores.
        older_than_days: remove stores that were not used for longer; None spares them.
        max_gb: what the remaining ones may take together, in 1e9 bytes; None sets no limit.

    Raises:
        FacesimError: neither limit is given, one is no number, or the folder cannot be read.
    """
    if older_than_days is None and max_gb is None:
        raise FacesimError(
            "give --older-than DAYS or --max-gb SIZE, which say what to keep (0 removes everything)"
        )
    if max_gb is not None and not math.isfinite(max_gb):
        raise FacesimError(f"--max-gb {max_gb:g} is no size; write a finite number")
    for leftover in root.glob(".*"):  # of a removal that was interrupted
        shutil.rmtree(leftover, ignore_errors=True)
    oldest = time.time() - older_than_days * 86400 if older_than_days is not None else 0.0
    max_bytes = round(max_gb * 1e9) if max_gb is not None else None
    kept_bytes = 0
    removed, problems = [], []
    for store in list_stores(root):
        if store.problem:
            problems.append(f"{store.folder}: {store.problem}")
            continue
        fits = max_bytes is None or kept_bytes + store.size_bytes <= max_bytes
        try:
            stays = (store.last_used >= oldest and fits) or not _remove(store.folder)
        except OSError as error:
            problems.append(f"{store.folder}: cannot be removed: {error.strerror}")
            stays = True
        if stays:
            kept_bytes += store.size_bytes
        else:
            removed.append(store)
    return Pruned(tuple(removed), tuple(problems))


def _remove(folder: Path) -> bool:
    """Remove a store unless a process is filling it; True also if another process removes it."""
    # Before any lock is made in it: only whoever may rename a folder may remove it.
    if not os.access(folder.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder.parent))
    with BucketLocks(folder) as locks:
        if not all(locks.acquire(bucket) for bucket in range(BUCKETS)):
            log.warning("%s is being filled and stays", folder)
            return False
        # Renamed first, so that no process finds a store of which half is gone.
        doomed = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)  # another process may be removing it as a leftover
    return True
