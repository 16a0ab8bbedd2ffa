"""The folder of all stores of features: what there is, and what may go."""

import logging
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from facesim.errors import FacesimError
from facesim.model.bucket_locks import BUCKETS, BucketLocks
from facesim.model.feature_chunk import SUFFIX
from facesim.model.feature_store import FeatureStore
from facesim.model.store_metadata import FILE, StoreDescription
from facesim.paths import cache_dir

log = logging.getLogger(__name__)


def stores_root() -> Path:
    """Where all stores are, of trunks' outputs and of embeddings, a folder for each key."""
    return cache_dir() / "trunk"


@dataclass(frozen=True)
class StoreInfo:
    """One store, as it lies on the disk.

    Attributes:
        folder: where it is.
        description: what it is of; None if that cannot be read.
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
            FacesimError: nothing says what it is of.
        """
        if self.description is None:
            raise FacesimError(
                f"{self.folder}: its {FILE} is missing or damaged; the next run that uses the "
                "store writes it anew, and `facesim cache prune` removes what nobody uses"
            )
        return FeatureStore(self.folder, self.description.row_shape, self.description.dtype)


def list_stores(root: Path) -> list[StoreInfo]:
    """All stores, the one used last first."""
    if not root.is_dir():
        return []
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    stores = [_inspect(folder) for folder in folders]
    return sorted(stores, key=lambda store: store.last_used, reverse=True)


def prune(
    root: Path, *, older_than_days: float | None = None, max_gb: float | None = None
) -> list[StoreInfo]:
    """Remove what was not used for long, and then what does not fit; what was used last stays.

    A store that a process is filling stays. One that a process is reading may go: that process
    computes anew what it misses.

    Args:
        root: the folder of stores.
        older_than_days: stores that were not used for longer go; None spares them.
        max_gb: what those that stay may take together, in 1e9 bytes; None sets no limit.

    Returns:
        What was removed.

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


def _inspect(folder: Path) -> StoreInfo:
    file = folder / FILE
    size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))
    last_used = (file if file.exists() else folder).stat().st_mtime
    return StoreInfo(folder, StoreDescription.read(folder), size, last_used)


def _remove(folder: Path) -> bool:
    """Remove a store unless somebody is filling it; it vanishes at once, whatever it holds."""
    with BucketLocks(folder) as claims:
        if not all(claims.take(bucket) for bucket in range(BUCKETS)):
            log.warning("%s is being filled and stays", folder)
            return False
        doomed = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        folder.rename(doomed)
    shutil.rmtree(doomed)
    return True
