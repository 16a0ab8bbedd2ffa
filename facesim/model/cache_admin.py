"""The stores of the trunk cache: their metadata, listing them, and pruning."""

import logging
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from facesim.atomic import write_text
from facesim.data.decoding import decoder_versions
from facesim.errors import FacesimError
from facesim.model.bucket_locks import BUCKETS, BucketLocks
from facesim.model.feature_chunk import SUFFIX
from facesim.model.feature_store import FeatureStore
from facesim.model.trunk_key import TrunkRecipe
from facesim.paths import cache_dir

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

    @classmethod
    def of(
        cls, backbone: str, row_shape: tuple[int, ...], recipe: TrunkRecipe
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
            decoder=decoder_versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @classmethod
    def read(cls, folder: Path) -> "StoreDescription | None":
        """The description of the store in a folder; None, with a warning, if it is invalid."""
        file = folder / _FILE
        try:
            return _ADAPTER.validate_json(file.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("%s: invalid store metadata: %s", file, error)
            return None

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a folder holds the description of a store."""
        return (folder / _FILE).is_file()

    def mark_used(self, folder: Path) -> None:
        """Note that the store is used now; write the description where there is none."""
        file = folder / _FILE
        try:
            os.utime(file)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(file, _ADAPTER.dump_json(self, indent=2).decode() + "\n")


_ADAPTER = TypeAdapter(StoreDescription)


@dataclass(frozen=True)
class StoreInfo:
    """One store on disk.

    Attributes:
        folder: its path.
        description: its metadata; None if that cannot be read.
        size_bytes: of all its chunks.
        last_used: seconds since 1970.
    """

    folder: Path
    description: StoreDescription | None
    size_bytes: int
    last_used: float

    def open(self) -> FeatureStore:
        """Open it, to count or to verify.

        Raises:
            FacesimError: its metadata cannot be read.
        """
        if self.description is None:
            raise FacesimError(
                f"{self.folder}: its {_FILE} is missing or damaged; the next run that uses the "
                "store writes it again, and `facesim cache prune` removes unused stores"
            )
        return FeatureStore(self.folder, self.description.row_shape, self.description.dtype)


def list_stores(root: Path) -> list[StoreInfo]:
    """All stores, the most recently used first."""
    if not root.is_dir():
        return []
    stores = []
    for folder in root.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            file = folder / _FILE
            size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))
            last_used = (file if file.exists() else folder).stat().st_mtime
            stores.append(StoreInfo(folder, StoreDescription.read(folder), size, last_used))
    return sorted(stores, key=lambda store: store.last_used, reverse=True)


def prune(
    root: Path, *, older_than_days: float | None = None, max_gb: float | None = None
) -> list[StoreInfo]:
    """Remove stores that were not used for long, or do not fit; the most recently used stay.

    A store that a process is filling stays. One that a process is reading may be removed: that
    process computes again what it misses.

    Args:
        root: the folder of stores.
        older_than_days: remove stores that were not used for longer; None spares them.
        max_gb: what the remaining ones may take together, in 1e9 bytes; None sets no limit.

    Returns:
        The removed stores.

    Raises:
        FacesimError: neither limit is given.
    """
    if older_than_days is None and max_gb is None:
        raise FacesimError(
            "give --older-than DAYS or --max-gb SIZE, which say what to keep (0 removes everything)"
        )
    for leftover in root.glob(".*"):  # of a removal that was interrupted
        shutil.rmtree(leftover, ignore_errors=True)
    oldest = time.time() - older_than_days * 86400 if older_than_days is not None else 0.0
    max_bytes = round(max_gb * 1e9) if max_gb is not None else None
    kept_bytes = 0
    removed = []
    for store in list_stores(root):
        fits = max_bytes is None or kept_bytes + store.size_bytes <= max_bytes
        if (store.last_used >= oldest and fits) or not _remove(store.folder):
            kept_bytes += store.size_bytes
        else:
            removed.append(store)
    return removed


def _remove(folder: Path) -> bool:
    """Remove a store unless a process is filling it."""
    with BucketLocks(folder) as locks:
        if not all(locks.acquire(bucket) for bucket in range(BUCKETS)):
            log.warning("%s is being filled and stays", folder)
            return False
        # Renamed first, so that no process finds a store of which half is gone.
        doomed = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        folder.rename(doomed)
    shutil.rmtree(doomed)
    return True
