"""The images of a table as inputs of the network: pixels, or the trunk's cached output."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from facesim.arrays import Int64Array
from facesim.data.augmentation import Augmentation
from facesim.data.loader import B, load_batches, load_images, prefetched
from facesim.data.pixel_memory import PixelMemory
from facesim.data.preprocessing import Preprocessing
from facesim.errors import FacesimError, count
from facesim.interfaces import FaceTable, MiningSampler, Sampler, Transform
from facesim.model.network import NetworkInput
from facesim.model.trunk_cache import TrunkCache
from facesim.model.trunk_pass import converted, from_rows, to_rows
from facesim.processes import Processes
from facesim.reporters import Advance
from facesim.shared_failures import all_done


class Inputs(Protocol):
    """The images of one table as inputs of the network."""

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Compute in advance what these rows need, in training or without augmentation."""
        ...

    def rows_of_epochs(self, sampler: Sampler, epochs: range) -> Int64Array:
        """The rows of which training needs something computed in advance, in some epochs."""
        ...

    def batches(
        self, batches: Iterable[B], epoch: int, *, dtype: torch.dtype | None = None
    ) -> Iterator[tuple[B, NetworkInput]]:
        """Each batch of an epoch with its images, in the CPU's memory.

        Args:
            batches: drawn while earlier ones are in use.
            epoch: of the augmentations.
            dtype: in which the trunk's output is given; None for that of the cache.
        """
        ...

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
        """Some rows of the table, in order, without augmentation."""
        ...

    def blank(self, images: int) -> NetworkInput:
        """Zeros of the shape, type and layout of a batch of so many images."""
        ...


class PixelInputs:
    """Decoded images, augmented in training; the first ones are kept in memory.

    Args:
        table: the images.
        preprocessing: decodes the images.
        transforms: random augmentations, keyed by (seed, epoch, row).
        seed: of the augmentations.
        workers: see :func:`~facesim.data.loader.load_batches`.
    """

    def __init__(
        self,
        table: FaceTable,
        preprocessing: Preprocessing,
        *,
        transforms: tuple[Transform, ...] = (),
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        self.table = table
        self.preprocessing = preprocessing
        self.transforms = transforms
        self.seed = seed
        self.workers = workers
        self._memory = PixelMemory(preprocessing)

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Pixels are decoded as they are needed."""

    def rows_of_epochs(self, sampler: Sampler, epochs: range) -> Int64Array:
        """None: pixels are decoded as they are needed."""
        del sampler, epochs
        return np.empty(0, np.int64)

    def batches(
        self, batches: Iterable[B], epoch: int, *, dtype: torch.dtype | None = None
    ) -> Iterator[tuple[B, NetworkInput]]:
        """Each batch of an epoch with its augmented pixels."""
        del dtype  # pixels are what they are
        augmentation = Augmentation(self.transforms, self.seed, epoch) if self.transforms else None
        loaded = load_batches(
            self.table,
            batches,
            self.preprocessing,
            augmentation=augmentation,
            workers=self.workers,
            memory=self._memory,
        )
        return ((batch, NetworkInput(pixels, "pixels")) for batch, pixels in loaded)

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
        """The pixels of some rows, in order, as they are."""
        rows = np.asarray(rows, dtype=np.int64)
        loaded = load_images(
            self.table,
            rows,
            self.preprocessing,
            batch_size=batch_size,
            workers=self.workers,
            memory=self._memory,
        )
        return (NetworkInput(pixels, "pixels") for pixels in loaded)

    def blank(self, images: int) -> NetworkInput:
        """Black images."""
        shape = (images, 3, *self.preprocessing.size)
        return NetworkInput(torch.zeros(shape, dtype=torch.uint8), "pixels")


_BATCHES_AHEAD = 2
_LEFT_AND_RIGHT = torch.tensor([0, 255], dtype=torch.uint8).expand(3, 1, 2)


class CachedInputs:
    """The trunk's output for a table's images, computed once and then read.

    Args:
        plain: the cache of the images as they are.
        mirrored: the cache of the mirrored images, needed if there is any ``mirroring``.
        mirroring: augmentations that only mirror, keyed by (seed, epoch, row) as on pixels.
        seed: of the augmentation.
    """

    def __init__(
        self,
        plain: TrunkCache,
        *,
        mirrored: TrunkCache | None = None,
        mirroring: tuple[Transform, ...] = (),
        seed: int = 0,
    ) -> None:
        self.plain = plain
        self.mirrored = mirrored
        self.mirroring = mirroring
        self.seed = seed

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Compute what the cache lacks for these rows; the size is printed first.

        Raises:
            FacesimError: an image cannot be used, or features are not finite or do not fit into
                float16, by whichever process; all of them raise, in step.
        """
        caches = [self.plain]
        if training and self.mirrored is not None:
            caches.append(self.mirrored)
        for cache in caches:
            if not _fill(cache, rows, processes):
                return

    def rows_of_epochs(self, sampler: Sampler, epochs: range) -> Int64Array:
        """The rows that the batches of some epochs use; if they use many images, all rows.

        A table may hold a hundred times the images that are drawn, so it is not always filled
        whole; but counting on after one table's worth of drawn images would cost more than it
        saves.
        """
        images = self.plain.images
        if epochs and isinstance(sampler, MiningSampler):  # which is given all embeddings
            return np.arange(images)
        used, drawn = np.zeros(images, bool), 0
        for epoch in epochs:
            for batch in sampler.batches(epoch):
                used[batch.images.numpy()] = True
                drawn += len(batch.images)
                if drawn >= images:
                    return np.arange(images)
        return np.flatnonzero(used)

    def batches(
        self, batches: Iterable[B], epoch: int, *, dtype: torch.dtype | None = None
    ) -> Iterator[tuple[B, NetworkInput]]:
        """Each batch of an epoch with the trunk's output for its images, read ahead."""
        if self.mirroring:
            augmentation = Augmentation(self.mirroring, self.seed, epoch)
            return self._mirrored(batches, augmentation, dtype)
        read = ((batch, self._read(batch.images.numpy(), None, dtype)) for batch in batches)
        return prefetched(read, _BATCHES_AHEAD)

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
        """The trunk's output for some rows, in order, not mirrored."""
        parts = (rows[start : start + batch_size] for start in range(0, len(rows), batch_size))
        read = (self._read(part, None, None) for part in parts)
        return prefetched(read, _BATCHES_AHEAD)

    def blank(self, images: int) -> NetworkInput:
        """Features that are all zero, in the layout in which :meth:`batches` gives them."""
        return NetworkInput(self.plain.blank(images), "trunk_output")

    def _mirrored(
        self, batches: Iterable[B], augmentation: Augmentation, dtype: torch.dtype | None
    ) -> Iterator[tuple[B, NetworkInput]]:
        """What is mirrored is drawn on the caller's thread, and what was drawn is read on another.

        The augmentation seeds torch's global generator, which only one thread may use.
        """
        waiting: deque[tuple[B, Future[NetworkInput]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="facesim-features") as thread:
            try:
                for batch in batches:
                    rows = batch.images.numpy()
                    read = thread.submit(self._read, rows, _flips(rows, augmentation), dtype)
                    waiting.append((batch, read))
                    if len(waiting) > _BATCHES_AHEAD:
                        first, features = waiting.popleft()
                        yield first, features.result()
                while waiting:
                    first, features = waiting.popleft()
                    yield first, features.result()
            finally:
                for _, features in waiting:
                    features.cancel()

    def _read(
        self,
        rows: Int64Array,
        flips: npt.NDArray[np.bool_] | None,
        dtype: torch.dtype | None,
    ) -> NetworkInput:
        features = self.plain.features(rows)
        if self.mirrored is not None and flips is not None and flips.any():
            features[torch.from_numpy(flips)] = self.mirrored.features(rows[flips])
        if dtype is not None:
            features = from_rows(converted(to_rows(features), dtype))
        return NetworkInput(features, "trunk_output")


def _flips(rows: Int64Array, augmentation: Augmentation) -> npt.NDArray[np.bool_]:
    """Which rows the augmentation mirrors, by applying it to a probe image of 1 x 2 pixels.

    A transform that only mirrors does the same to any image, and no image is decoded here.
    """
    return np.array(
        [bool(augmentation(_LEFT_AND_RIGHT, int(row))[0, 0, 0]) for row in rows], dtype=bool
    )


def _fill(cache: TrunkCache, rows: Int64Array, processes: Processes) -> bool:
    """Compute what is missing, each process its share of the images.

    Where machines have folders of their own, each then computes what the shares of its processes
    did not hold.

    Returns:
        Whether it was finished; where a stop was requested, no process goes on.
    """
    missing = cache.missing(rows)
    if not torch.cat(processes.gather(torch.tensor([missing]))).any():
        return True
    if missing and cache.has_room(missing):
        processes.reporter.say(
            f"trunk cache: {count(missing, 'image')} to compute once, {cache.space_needed(rows)} "
            f"in {cache.store.folder}"
        )
    share = cache.share(rows, processes.rank, processes.size)
    if not _fill_together(cache, share, processes):
        return False
    return processes.size == 1 or _fill_together(cache, rows, processes)


class _LeavingOff(Exception):  # noqa: N818  an event, not an error
    """A stop was requested, which the main process carries out."""


def _fill_together(cache: TrunkCache, rows: Int64Array, processes: Processes) -> bool:
    """Compute what is missing of this process's rows; returns whether every process finished."""
    failure: FacesimError | None = None
    stopped: Exception | None = None
    missing = cache.missing(rows)
    try:
        if missing and cache.has_room(missing):
            with processes.reporter.task("filling the trunk cache", missing) as show:
                cache.fill(rows, _watching(processes, show))
    except Exception as error:
        if processes.requested_stop is not None:
            stopped = error
        elif isinstance(error, FacesimError):
            failure = error
        else:
            raise
    finished = all_done(processes, failure, leaves=stopped is not None)
    if stopped is not None and not isinstance(stopped, _LeavingOff):
        raise stopped
    return finished


def _watching(processes: Processes, show: Advance) -> Callable[[int], None]:
    """Shows progress, and raises if there is no use in going on."""

    def advance(count: int) -> None:
        show(count)  # on the main process, raises at a stop
        processes.require_alive()
        if not processes.is_main and processes.requested_stop is not None:
            raise _LeavingOff

    return advance
