"""What each kind of plugin must offer, and the registries that hold them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from facesim.errors import FacesimError
from facesim.registry import Registry

INTERFACE_VERSION = 1
"""Version of what this module promises plugins and asks of them.

It rises by one when a plugin that follows it would have to be changed; additions leave it. What is
to go warns for at least one minor release of facesim before, and says what to write instead.
"""

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PairSet:
    """The pairs that an evaluation is made on.

    Attributes:
        rows: int64 [P, 2], rows of the table; the two of a pair differ.
        same: bool [P], True where both show one identity (genuine).
        fold: int64 [P], the fold of each pair, or None if there are no folds.
    """

    rows: Int64Array
    same: npt.NDArray[np.bool_]
    fold: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class FaceTable:
    """The images of one split: one row per image; paths and identities, no pixels.

    Attributes:
        root: the folder that holds the images.
        files: str [N], paths relative to ``root``; none may leave it.
        identities: int64 [N], class indices from 0 to ``len(labels) - 1``.
        labels: str [I], the dataset's own label of each identity.
        attributes: N rows, one column per extra attribute; may have no column.
        notes: what was left out or is odd, counted, one sentence each.
        pairs: those that the dataset's own protocol compares, or None if it has none.
    """

    root: Path
    files: npt.NDArray[Any]
    identities: Int64Array
    labels: npt.NDArray[Any]
    attributes: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    pairs: PairSet | None = None

    def __post_init__(self) -> None:
        if len(self.files) != len(self.identities):
            raise ValueError(f"{len(self.files)} files but {len(self.identities)} identities")
        if self.attributes.columns.size and len(self.attributes) != len(self.files):
            raise ValueError(f"{len(self.files)} files but {len(self.attributes)} attribute rows")

    def __len__(self) -> int:
        return len(self.files)

    def path(self, row: int) -> Path:
        """The image file of one row."""
        return self.root / str(self.files[row])


@dataclass(frozen=True)
class PairBatch:
    """What flows through training: some images, each once, and the pairs among them.

    Attributes:
        images: int64 [B], rows of the table, no row twice.
        identities: int64 [B], the identity of each image.
        pairs: int64 [P, 2], positions in ``images``; the two of a pair differ.
        same: bool [P], True where the two images show one identity (genuine).
    """

    images: Tensor
    identities: Tensor
    pairs: Tensor
    same: Tensor

    @classmethod
    def of_pairs(cls, rows: Int64Array, identities: Int64Array) -> "PairBatch":
        """Gather pairs of table rows into a batch that holds each image once.

        Args:
            rows: int64 [P, 2], rows of the table.
            identities: int64 [N], the identity of every row of the table.
        """
        images, positions = np.unique(rows, return_inverse=True)
        pairs = positions.reshape(rows.shape).astype(np.int64)
        of_images = identities[images]
        same = of_images[pairs[:, 0]] == of_images[pairs[:, 1]]
        arrays = (images, of_images, pairs, same)
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))

    def gather(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [B, D] of the images -> [P, D] and [P, D], those of either side of the pairs.

        On several CPU threads ``embeddings[pairs]`` sums its gradient in an order that changes
        from call to call; this one repeats bit for bit.
        """
        first, second = self.pairs.unbind(1)
        return embeddings.index_select(0, first), embeddings.index_select(0, second)

    def to(self, device: torch.device) -> "PairBatch":
        """The same batch on another device."""
        tensors = (self.images, self.identities, self.pairs, self.same)
        return PairBatch(*(tensor.to(device, non_blocking=True) for tensor in tensors))


@runtime_checkable
class Sampler(Protocol):
    """Draws the pairs of each epoch: a pure function of ``(seed, epoch)``."""

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, the same ones however often it is asked."""
        ...

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        ...


@runtime_checkable
class TableSampler(Sampler, Protocol):
    """A sampler that needs more of the training table than the identities."""

    def read_table(self, table: FaceTable) -> None:
        """Hear of the table, once, before anything else; may raise FacesimError."""
        ...


@runtime_checkable
class MiningSampler(Sampler, Protocol):
    """A sampler that chooses pairs by what the network has learned so far.

    At the start of every epoch but the first the engine embeds all training images by the network
    as it then is, and calls :meth:`mine`. The batches of an epoch are a pure function of ``(seed,
    epoch)`` and what was mined last; what was mined travels in the checkpoint, so that a run that
    is resumed in the middle of an epoch goes on with the same batches.
    """

    def mine(self, embeddings: Tensor, epoch: int) -> None:
        """Choose by embeddings float32 [N, D], on the CPU, what the epoch is made of.

        The outcome depends on the seed, the epoch and the embeddings alone: not on what was mined
        before.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What was mined last; empty before the first time."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to what :meth:`state_dict` gave."""
        ...


@dataclass(frozen=True)
class Normalization:
    """Per-channel ``(pixel / 255 - mean) / std`` that a backbone's weights expect."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class Backbone(nn.Module):
    """A frozen trunk, a trainable tail, and the normalisation that the weights expect.

    The trunk runs in ``eval()`` mode and without gradients whatever mode the network is in, so
    that neither its weights nor its BatchNorm statistics ever move. The tail ends with pooling,
    unless the feature maps are left to a head that pools them.

    Args:
        trunk: normalised images float32 [B, 3, H, W] -> any tensor [B, ...]; ``nn.Identity()`` if
            nothing is frozen.
        tail: the trunk's output -> float [B, features], or maps [B, features, h, w] if it is not
            ``pooled``; ``nn.Identity()`` if all is frozen.
        features: width of the tail's output.
        normalization: applied to uint8 RGB pixels before the trunk.
        pooled: whether the output is a row of features an image, and not maps.
        image_size: the only height and width of images that it takes; None takes any.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        tail: nn.Module,
        features: int,
        normalization: Normalization,
        *,
        pooled: bool = True,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(False).eval()
        self.tail = tail
        self.features = features
        self.pooled = pooled
        self.image_size = image_size
        for name, values in (("mean", normalization.mean), ("std", normalization.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) * 255, False)

    @property
    def has_trunk(self) -> bool:
        """Whether anything is frozen, so that running it once per image saves work."""
        return not isinstance(self.trunk, nn.Identity)

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode of the tail; the trunk stays in ``eval()``."""
        super().train(mode)
        self.trunk.eval()
        return self

    def run_trunk(self, images: Tensor) -> Tensor:
        """Uint8 pixels [B, 3, H, W] -> the trunk's output, detached."""
        with torch.no_grad():
            output: Tensor = self.trunk((images.float() - self.mean) / self.std)
        return output

    def forward(self, images: Tensor) -> Tensor:
        """Uint8 pixels [B, 3, H, W] -> features [B, features], or maps [B, features, h, w]."""
        features: Tensor = self.tail(self.run_trunk(images))
        return features


class Loss(nn.Module, ABC):
    """A training loss together with the score by which the trained system compares two faces.

    Attributes:
        of_training_identities: True where ``forward`` reads a weight per training identity, so
            that it has no value for other people's faces.
    """

    of_training_identities: bool = False

    @abstractmethod
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> a scalar that is finite for any batch."""

    @abstractmethod
    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarity [P] of embeddings [P, D] and [P, D]: higher is more alike, symmetric."""

    def impostor_margin(self) -> float | None:
        """The score at and below which an impostor pair costs nothing, if there is one.

        With it the log shows how many impostor pairs there still are to learn from.
        """
        return None

    def chance_loss(self, genuine_share: float) -> float | None:  # noqa: ARG002
        """The least that ``forward`` can be where all pairs have the same score, if that is known.

        With it the log says so if the loss is stuck there.

        Args:
            genuine_share: of the pairs, from 0 to 1.
        """
        return None


class Tracker(ABC):
    """Receives what a run logs. The JSON-lines log is always written besides."""

    @abstractmethod
    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        """The run begins, or goes on after a resume."""

    @abstractmethod
    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name (``train.loss``) at a global step."""

    @abstractmethod
    def finish(self, status: str) -> None:
        """The run ends: ``finished``, ``interrupted`` or ``failed``."""


Transform = Callable[[Tensor], Tensor]
"""A random augmentation of one image, uint8 [3, H, W] -> uint8 [3, H, W].

It draws from torch's global generator, which the engine seeds for each (seed, epoch, image). One
that either leaves an image as it is or mirrors it left to right may say so by an attribute
``only_mirrors = True``: the trunk cache then keeps the mirrored image as a second view.
"""

datasets: Registry[FaceTable] = Registry("dataset", "datasets")
transforms: Registry[Transform] = Registry("transform", "transforms")
backbones: Registry[Backbone] = Registry("backbone", "backbones")
heads: Registry[nn.Module] = Registry("head", "heads", ("features",))
"""A head maps a backbone's features [B, features] to embeddings [B, D].

One that pools feature maps [B, features, h, w] itself says so by a class attribute
``pools: ClassVar[bool] = True``; its backbone must then leave them unpooled.
"""
samplers: Registry[Sampler] = Registry("sampler", "samplers", ("identities", "batch_size", "seed"))
losses: Registry[Loss] = Registry("loss", "losses", ("embedding_dim", "num_identities"))
optimizers: Registry[torch.optim.Optimizer] = Registry(
    "optimizer", "optimizers", ("parameter_groups",)
)
schedulers: Registry[LRScheduler] = Registry(
    "scheduler", "schedulers", ("optimizer", "total_steps")
)
trackers: Registry[Tracker] = Registry("tracker", "trackers")

REGISTRIES: tuple[Registry[Any], ...] = (
    datasets,
    transforms,
    backbones,
    heads,
    samplers,
    losses,
    optimizers,
    schedulers,
    trackers,
)

ParameterGroups = Iterable[dict[str, Any]]


class DataError(FacesimError):
    """Data that cannot be used: a bad row, a missing image, an unreadable file."""
