"""Engines that run a frozen trunk, in blocks of one size: an image has one output to the bit."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor

import torch
from torch import Tensor

from facesim.interfaces import Backbone
from facesim.model.cache_admin import EngineName

TRUNK_BLOCK = 32
"""Images per pass. Larger passes are not faster on a CPU."""

_ACCELERATOR_BLOCK = 128


def block_on(device: torch.device) -> int:
    """Images per pass on a device."""
    return TRUNK_BLOCK if device.type == "cpu" else _ACCELERATOR_BLOCK


class TrunkEngine(ABC):
    """Runs the normalisation and the trunk of a backbone, whose weights are frozen.

    In ``eval()`` mode the images of a batch do not interact, but the kernels of a convolution
    depend on the batch size, and they round differently. In batches of one size, the last one
    padded with black images, an image has the same features to the last bit, on the same machine
    with the same number of threads.

    An engine may be run from several threads.

    Args:
        backbone: on the device where the trunk runs.
        block: images in one pass.

    Attributes:
        name: as the experiment file has it.
        versions: of what its rounding depends on; part of the cache's key. Empty for eager.
        passes_ahead: how many may be under way when another one is started.
    """

    name: EngineName
    versions: str = ""
    passes_ahead: int = 0

    def __init__(self, backbone: Backbone, block: int) -> None:
        self.backbone = backbone
        self.block = block

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.backbone.mean.device

    def run(self, images: Tensor) -> Tensor:
        """The trunk's output, computed in passes of exactly ``block`` images.

        Args:
            images: uint8 [B, 3, H, W] on the engine's device.

        Returns:
            [B, ...], detached.
        """
        outputs = []
        for part in torch.split(images, self.block):
            output = self._run_block(padded(part, self.block))
            outputs.append(output[: len(part)])
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def start(self, images: Tensor, pool: Executor) -> Callable[[], Tensor]:
        """Start a pass over at most ``block`` images.

        Args:
            images: uint8 [B, 3, H, W] on the engine's device.
            pool: threads that compute, as many as torch's.

        Returns:
            A function that waits for the output [B, ...]; any thread may call it, more than once.
        """
        del pool
        output = self.run(images)
        return lambda: output

    @abstractmethod
    def _run_block(self, images: Tensor) -> Tensor:
        """The output for ``block`` images uint8 [block, 3, H, W], channels last in memory."""


class EagerEngine(TrunkEngine):
    """The trunk's own modules, one after another, under the caller's autocast.

    Args:
        backbone: on the device where the trunk runs.
        block: images in one pass.
    """

    name = "eager"

    def __init__(self, backbone: Backbone, block: int = TRUNK_BLOCK) -> None:
        super().__init__(backbone, block)

    def run(self, images: Tensor) -> Tensor:
        """The trunk's output, in passes of ``block`` images; normalised images if none is frozen.

        Args:
            images: uint8 [B, 3, H, W] on the engine's device.

        Returns:
            [B, ...], detached.
        """
        return super().run(images) if self.backbone.has_trunk else self.backbone.run_trunk(images)

    def _run_block(self, images: Tensor) -> Tensor:
        return self.backbone.run_trunk(images)


def padded(images: Tensor, block: int) -> Tensor:
    """At most ``block`` images with black ones behind them: uint8 [block, 3, H, W]."""
    if len(images) == block:
        return images.contiguous(memory_format=torch.channels_last)
    shape = (block, *images.shape[1:])
    whole = torch.zeros(shape, dtype=images.dtype, device=images.device)
    whole = whole.contiguous(memory_format=torch.channels_last)
    whole[: len(images)] = images
    return whole
