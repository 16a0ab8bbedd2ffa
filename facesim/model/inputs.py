"""What the network is fed: pixels through the whole of it, or a cached trunk output."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
from torch import Tensor

from facesim.arrays import Int64Array
from facesim.data.augmentation import Augmentation
from facesim.data.framing import Framing
from facesim.data.loader import load_batches, load_images
from facesim.interfaces import FaceTable, PairBatch, Transform
from facesim.model.network import SiameseNetwork
from facesim.model.trunk_blocks import run_trunk_in_blocks
from facesim.processes import Processes


class Inputs(Protocol):
    """The images of one table, in the form in which the network takes them."""

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Compute in advance what these rows need, with progress."""
        ...

    def batches(
        self, batches: Iterable[PairBatch], epoch: int
    ) -> Iterator[tuple[PairBatch, Tensor]]:
        """Each batch of an epoch with the inputs [B, ...] of its images."""
        ...

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[Tensor]:
        """The inputs of some rows of the table, in order, without augmentation."""
        ...

    def embed(self, network: SiameseNetwork, inputs: Tensor) -> Tensor:
        """Inputs [B, ...] on the network's device -> embeddings [B, D]."""
        ...


class PixelInputs:
    """Decoded pictures, augmented in training.

    Args:
        table: the images.
        framing: size and crop box.
        transforms: random augmentations, keyed by (seed, epoch, row).
        seed: of the augmentations.
        workers: processes that decode; 0 decodes in this one.
    """

    def __init__(
        self,
        table: FaceTable,
        framing: Framing,
        *,
        transforms: tuple[Transform, ...] = (),
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        self.table = table
        self.framing = framing
        self.transforms = transforms
        self.seed = seed
        self.workers = workers

    def warm(self, rows: Int64Array, processes: Processes, *, training: bool) -> None:
        """Pixels are decoded as they are needed."""

    def batches(
        self, batches: Iterable[PairBatch], epoch: int
    ) -> Iterator[tuple[PairBatch, Tensor]]:
        """Each batch of an epoch with uint8 pixels [B, 3, H, W]."""
        augmentation = Augmentation(self.transforms, self.seed, epoch) if self.transforms else None
        return load_batches(
            self.table, batches, self.framing, augmentation=augmentation, workers=self.workers
        )

    def rows(self, rows: Int64Array, batch_size: int) -> Iterator[Tensor]:
        """Uint8 pixels [B, 3, H, W] of some rows, in order."""
        rows = np.asarray(rows, dtype=np.int64)
        return load_images(
            self.table, rows, self.framing, batch_size=batch_size, workers=self.workers
        )

    def embed(self, network: SiameseNetwork, inputs: Tensor) -> Tensor:
        """Pixels through trunk, tail and head."""
        return network.embed_trunk_output(run_trunk_in_blocks(network.backbone, inputs))
