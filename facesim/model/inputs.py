"""The images of a table as inputs of the network: pixels, or the trunk's cached output."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from facesim.arrays import Int64Array
from facesim.data.augmentation import Augmentation
from facesim.data.loader import load_batches, load_images
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable, PairBatch, Sampler, Transform
from facesim.model.network import NetworkInput
from facesim.processes import Processes


class Inputs(Protocol):
    """The images of one table as inputs of the network."""

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Compute in advance what these rows need, in training or without augmentation."""
        ...

    def warm_epochs(self, sampler: Sampler, epochs: range, processes: Processes) -> None:
        """Compute in advance what training needs in some epochs."""
        ...

    def batches(
        self, batches: Iterable[PairBatch], epoch: int
    ) -> Iterator[tuple[PairBatch, NetworkInput]]:
        """Each batch of an epoch with its images, in the CPU's memory."""
        ...

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
        """Some rows of the table, in order, without augmentation."""
        ...


class PixelInputs:
    """Decoded images, augmented in training.

    Args:
        table: the images.
        preprocessing: decodes the images.
        transforms: random augmentations, keyed by (seed, epoch, row).
        seed: of the augmentations.
        workers: processes that decode; 0 decodes in this one.
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

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Pixels are decoded as they are needed."""

    def warm_epochs(self, sampler: Sampler, epochs: range, processes: Processes) -> None:
        """Pixels are decoded as they are needed."""

    def batches(
        self, batches: Iterable[PairBatch], epoch: int
    ) -> Iterator[tuple[PairBatch, NetworkInput]]:
        """Each batch of an epoch with its augmented pixels."""
        augmentation = Augmentation(self.transforms, self.seed, epoch) if self.transforms else None
        loaded = load_batches(
            self.table, batches, self.preprocessing, augmentation=augmentation, workers=self.workers
        )
        return ((batch, NetworkInput(pixels, "pixels")) for batch, pixels in loaded)

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[NetworkInput]:
        """The pixels of some rows, in order, as they are."""
        rows = np.asarray(rows, dtype=np.int64)
        loaded = load_images(
            self.table, rows, self.preprocessing, batch_size=batch_size, workers=self.workers
        )
        return (NetworkInput(pixels, "pixels") for pixels in loaded)
