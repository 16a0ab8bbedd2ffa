"""The shards of a batch: a fixed number of parts, so that any number of processes shares it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from facesim.errors import FacesimError
from facesim.interfaces import PairBatch
from facesim.processes import Processes

_SMALLEST = 2
"""Images of a shard: BatchNorm has no statistics of one."""


def require_even_shares(shards: int, processes: int) -> None:
    """Return if so many processes can share the shards of a batch.

    Raises:
        FacesimError: they cannot be dealt out evenly.
    """
    if shards % processes:
        raise FacesimError(
            f"train.shards is {shards}, which {processes} processes cannot share evenly; write a "
            f"multiple of {processes}: --set train.shards={-(-shards // processes) * processes}. "
            "It is part of the experiment: BatchNorm and dropout work by shard"
        )


@dataclass(frozen=True)
class Shards:
    """How a batch is cut into shards, and which of them this process embeds.

    Attributes:
        count: shards of a batch, ``train.shards``; a small batch has fewer.
        rank: of this process.
        size: the number of processes, a divisor of ``count``.
    """

    count: int
    rank: int = 0
    size: int = 1

    @classmethod
    def of(cls, count: int, processes: Processes) -> "Shards":
        """The shards of a run.

        Raises:
            FacesimError: they cannot be dealt out to the processes evenly.
        """
        require_even_shares(count, processes.size)
        return cls(count, processes.rank, processes.size)

    @property
    def per_process(self) -> int:
        """Shards that each process embeds, of a batch that is not small."""
        return self.count // self.size

    def cut(self, images: int) -> list[slice]:
        """The places of each shard in a batch of so many images; sizes differ by one at most."""
        used = min(self.count, max(images // _SMALLEST, 1))
        small, larger = divmod(images, used)
        ends = [small * (shard + 1) + min(shard + 1, larger) for shard in range(used)]
        return [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def own(self, images: int) -> list[tuple[int, slice]]:
        """Number and places of the shards of this process; consecutive, perhaps none."""
        begin = self.rank * self.per_process
        shards = list(enumerate(self.cut(images)))
        return shards[begin : begin + self.per_process]


@dataclass(frozen=True)
class SharedBatch:
    """A batch, and those of its images that this process embeds.

    Attributes:
        whole: the batch as the sampler drew it, of which every process computes the loss.
        images: int64 [b], rows of the table: the images of this process's shards, in order.
    """

    whole: PairBatch
    images: Tensor

    @classmethod
    def of(cls, batch: PairBatch, shards: Shards) -> "SharedBatch":
        """The part of a batch that falls to this process."""
        own = shards.own(len(batch.images))
        places = slice(own[0][1].start, own[-1][1].stop) if own else slice(0, 0)
        return cls(batch, batch.images[places])

    def to(self, device: torch.device) -> "SharedBatch":
        """The same on another device."""
        return SharedBatch(self.whole.to(device), self.images)


class BatchNorms:
    """The BatchNorm layers that are trained, whose statistics are those of one shard.

    A shard is normalised by its own mean and variance, as by `DistributedDataParallel`; the
    running statistics move once per step, to the mean of all shards' statistics, weighted by
    their images and summed in shard order.

    Args:
        modules: where the layers are found; layers that are frozen in evaluation mode are not.
    """

    def __init__(self, *modules: nn.Module) -> None:
        self._layers = [
            layer
            for module in modules
            for layer in module.modules()
            if isinstance(layer, _BatchNorm) and layer.training and layer.running_mean is not None
        ]

    @property
    def size(self) -> int:
        """How many numbers the statistics of a shard are."""
        return sum(buffer.numel() for layer in self._layers for buffer in _statistics(layer))

    def names_in(self, module: nn.Module) -> set[str]:
        """The names of all buffers of these layers in a module's state dict."""
        return {
            f"{prefix}.{name}" if prefix else name
            for prefix, layer in module.named_modules()
            if any(layer is each for each in self._layers)
            for name, _ in layer.named_buffers(recurse=False)
        }

    @contextmanager
    def of_one_shard(self) -> Iterator[Callable[[], Tensor]]:
        """Let the layers collect the statistics of the images of one forward pass alone.

        Yields:
            What gives these statistics after the pass, flat: float32 [size].
        """
        kept = [
            (layer, layer.momentum, dict(layer.named_buffers(recurse=False)))
            for layer in self._layers
        ]
        for layer, _, buffers in kept:
            layer.momentum = 1.0
            for name, buffer in buffers.items():  # other ones: the pass's graph holds on to them
                setattr(layer, name, buffer.clone())

        def collected() -> Tensor:
            found = [each.reshape(-1) for layer in self._layers for each in _statistics(layer)]
            return torch.cat(found) if found else torch.empty(0)

        try:
            yield collected
        finally:
            for layer, momentum, buffers in kept:
                layer.momentum = momentum
                for name, buffer in buffers.items():
                    setattr(layer, name, buffer)

    @torch.no_grad()
    def move(self, statistics: Tensor) -> None:
        """Move the running statistics to those of a whole batch, flat: float32 [size]."""
        sizes = [each.numel() for layer in self._layers for each in _statistics(layer)]
        parts = iter(torch.split(statistics, sizes))
        for layer in self._layers:
            momentum = layer.momentum
            if layer.num_batches_tracked is not None:
                layer.num_batches_tracked.add_(1)
                if momentum is None:  # a cumulative average
                    momentum = 1.0 / float(layer.num_batches_tracked)
            new = momentum or 0.0
            for buffer in _statistics(layer):
                buffer.mul_(1 - new).add_(next(parts), alpha=new)


def _statistics(layer: _BatchNorm) -> list[Tensor]:
    return [each for each in (layer.running_mean, layer.running_var) if each is not None]
