"""The trunk cache: a trunk's outputs on disk, computed where they are missing."""

import threading
import time
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.console import warn_once
from facesim.data.image_digests import TableDigests
from facesim.errors import FacesimError
from facesim.model.bucket_locks import buckets_of
from facesim.model.cache_admin import StoreDescription, stores_root
from facesim.model.cache_filler import CacheFiller
from facesim.model.feature_store import (
    FeatureStore,
    MissingFeaturesError,
    StoreUnwritableError,
)
from facesim.model.trunk_engine import TrunkEngine
from facesim.model.trunk_key import Fingerprint, TrunkRecipe
from facesim.model.trunk_pass import TrunkPass, from_rows, to_rows
from facesim.reporters import ignore_progress

_POLL_SECONDS = 0.2
_ATTEMPTS = 3


class TrunkCache:
    """The outputs of a backbone's trunk for the images of a table.

    They are kept on disk and shared by every run whose trunk, preprocessing and images are the
    same. Any number of processes may fill and read at once, and so may threads of one process.
    Where they cannot be written, what is missing is computed each time, which is said once.

    Example:
        >>> cache = TrunkCache(EagerEngine(backbone), TableDigests(table), recipe, name="resnet")
        >>> cache.fill()
        >>> features = backbone.tail(cache.features(rows).to(device).float())

    Args:
        engine: runs the trunk, whose output must be a tensor [B, ...].
        images: the table's; their digests are computed on first use.
        recipe: preprocessing, view and number types.
        name: of the backbone, for `facesim cache list`.
        workers: threads that decode while the trunk runs; 0 decodes on the caller's.
        fingerprint: of the trunk, if it is known already.

    Attributes:
        store: the features on disk.
        is_writable: whether features can be kept, as far as has been tried.

    Raises:
        FacesimError: the trunk's output cannot be cached.
    """

    def __init__(
        self,
        engine: TrunkEngine,
        images: TableDigests,
        recipe: TrunkRecipe,
        *,
        name: str,
        workers: int = 0,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        self._trunk = TrunkPass(engine, recipe)
        fingerprint = fingerprint or Fingerprint.of_trunk(engine.backbone)
        folder = stores_root() / fingerprint.key(recipe, engine.versions)
        # The key decides the shape, so a store that is there knows it without running the trunk.
        known = StoreDescription.read(folder) if StoreDescription.is_in(folder) else None
        self._description = known or StoreDescription.of(
            name, self._trunk.row_shape(), recipe, engine.name
        )
        self.store = FeatureStore(
            folder, self._description.row_shape, recipe.dtype, compressed=recipe.compressed
        )
        self._description.mark_used(folder)
        self._images = images
        self._preprocessing = recipe.preprocessing
        self._workers = workers
        self._positions: Int64Array | None = None
        self.is_writable = True
        self._filling = threading.Lock()
        self._pinned = engine.device.type == "cuda"
        self._all_rows = np.arange(len(images.table))

    @property
    def images(self) -> int:
        """The number of rows of the table."""
        return len(self._all_rows)

    @cached_property
    def _filler(self) -> CacheFiller:
        return CacheFiller(
            self.store, self._images, self._preprocessing, self._trunk, self._workers
        )

    def missing(self, rows: Int64Array | None = None) -> int:
        """How many different images of these rows, all by default, have no features yet."""
        return len(self._filler.missing(self._all_rows if rows is None else rows))

    def share(self, rows: Int64Array, number: int, count: int) -> Int64Array:
        """Those of some rows whose images fall to one of ``count`` parts, by their digests.

        A part holds whole buckets, so those who fill different parts wait for no lock.
        """
        buckets = buckets_of(self._images.keys()[rows])
        return np.asarray(rows[buckets % count == number])

    def bytes_needed(self, rows: Int64Array | None = None) -> int:
        """What :meth:`fill` will add to the disk; an estimate if that is compressed."""
        return self.store.bytes_needed(self.missing(rows))

    def space_needed(self, rows: Int64Array | None = None) -> str:
        """The same as text, which says what it is: ``about 1,234 MB, compressed``."""
        space = f"{self.bytes_needed(rows) / 1e6:,.0f} MB"
        if not self.store.compressed:
            return space
        is_estimate = self.store.compressed_share is not None
        return f"about {space}, compressed" if is_estimate else f"at most {space}, to be compressed"

    def has_room(self, images: int) -> bool:
        """Whether the features of so many further images can be kept; if not, that is said once."""
        if self.is_writable:
            try:
                self.store.require_space(images)
            except StoreUnwritableError as error:
                self._give_up(error)
        return self.is_writable

    def _give_up(self, error: StoreUnwritableError) -> None:
        self.is_writable = False
        warn_once(f"{error}. Until then the trunk runs anew for each use of an image")

    def fill(
        self, rows: Int64Array | None = None, advance: Callable[[int], None] = ignore_progress
    ) -> None:
        """Compute what is missing, together with other processes that do the same.

        It may be interrupted at any moment; what was computed is kept, but for the last images.

        Args:
            rows: of the table; all by default.
            advance: called with the number of images that have just been computed, here or in
                another process; with 0 while only others are at work. It may raise to stop.

        Raises:
            DataError: an image cannot be used, or has changed since its digest was computed.
            FacesimError: features are not finite or do not fit into float16.
        """
        with self._filling:
            self.store.remove_leftovers()
            missing = self._filler.missing(self._all_rows if rows is None else rows)
            if len(missing) and self.is_writable:
                try:
                    self.store.require_space(len(missing))
                    self._description.mark_used(self.store.folder)
                    if self.store.compressed and self.store.compressed_share is None:
                        # One chunk shows how well they compress, and so whether all will fit.
                        missing, first = np.split(missing, [-self.store.rows_per_chunk])
                        self._fill(first, advance)
                        self.store.require_space(len(missing))
                    self._fill(missing, advance)
                except StoreUnwritableError as error:
                    self._give_up(error)
            self._positions = self.store.locate(self._images.keys())

    def features(self, rows: Int64Array, out: Tensor | None = None) -> Tensor:
        """The trunk's output for some rows of the table.

        What is missing (never filled, pruned, or damaged on disk) is computed first.

        Args:
            rows: int64 [B].
            out: what an earlier call returned for as many rows, to be overwritten; allocating
                memory costs more than the copying.

        Returns:
            [B, ...] of the recipe's dtype in the CPU's memory, pinned where the device is CUDA;
            feature maps [B, C, H, W] are channels last in memory.

        Raises:
            FacesimError: as :meth:`fill` does.
        """
        if out is None:
            shape = (len(rows), *self.store.row_shape)
            gathered = torch.empty(shape, dtype=self._trunk.dtype, pin_memory=self._pinned)
        else:
            gathered = to_rows(out)
        for _ in range(_ATTEMPTS):
            if self._positions is None:
                self._positions = self.store.locate(self._images.keys())
            try:
                self.store.read(self._positions[rows], gathered.numpy())
            except MissingFeaturesError as missing:
                if self.is_writable:
                    self.fill(rows[missing.indices])
                    continue
                computed = self._filler.compute(rows[missing.indices])
                gathered[torch.from_numpy(missing.indices)] = computed
            return from_rows(gathered)
        raise self._vanishing()

    def blank(self, images: int) -> Tensor:
        """What :meth:`features` would give for so many images, all zero."""
        return from_rows(torch.zeros((images, *self.store.row_shape), dtype=self._trunk.dtype))

    def _fill(self, missing: Int64Array, advance: Callable[[int], None]) -> None:
        while len(missing):
            computed = self._filler.fill(missing, advance)
            left = self._filler.missing(missing)
            if computed and len(left) == len(missing):
                raise self._vanishing()
            advance(len(missing) - len(left) - computed)  # by other processes
            missing = left
            if len(missing) and not computed:  # other processes hold all buckets that are left
                time.sleep(_POLL_SECONDS)

    def _vanishing(self) -> FacesimError:
        return FacesimError(
            f"{self.store.folder}: features are missing right after they were written; check the "
            "disk, and whether something else removes files there"
        )
