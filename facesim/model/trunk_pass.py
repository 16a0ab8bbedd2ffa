"""One pass of the trunk over a block of images, as the cache needs its output."""

import torch
from torch import Tensor

from facesim.errors import FacesimError
from facesim.interfaces import Backbone
from facesim.model.host_copy import HostCopy
from facesim.model.trunk_blocks import TRUNK_BLOCK, run_trunk_in_blocks
from facesim.model.trunk_key import TrunkRecipe

_ACCELERATOR_BLOCK = 128


class PendingFeatures:
    """Features that a device may still be computing. Its methods may be called on any thread.

    Args:
        rows: [B, ...] as :func:`to_rows` lays them out, in the trunk's own type.
        dtype: in which they are kept.
    """

    def __init__(self, rows: Tensor, dtype: torch.dtype) -> None:
        low, high = rows.flatten(1).aminmax(dim=1)
        self._magnitudes = HostCopy(torch.maximum(-low, high).float())
        self._rows = HostCopy(rows.to(dtype))

    def magnitudes(self) -> Tensor:
        """The largest absolute value of each image's features, float32 [B] on the CPU."""
        return self._magnitudes.wait()

    def rows(self) -> Tensor:
        """The features, on the CPU."""
        return self._rows.wait()


class TrunkPass:
    """Runs a trunk over blocks of images.

    Args:
        backbone: on ``device``.
        recipe: view and types of numbers.
        device: where the trunk runs.

    Attributes:
        block: images in one pass.
        dtype: in which the features are kept.
    """

    def __init__(self, backbone: Backbone, recipe: TrunkRecipe, device: torch.device) -> None:
        self._backbone = backbone
        self._recipe = recipe
        self._device = device
        self.block = TRUNK_BLOCK if device.type == "cpu" else _ACCELERATOR_BLOCK
        self.dtype = torch.float16 if recipe.dtype == "float16" else torch.float32

    def row_shape(self) -> tuple[int, ...]:
        """The shape in which one image's features are kept, found by running the trunk on black.

        Raises:
            FacesimError: its output is not a tensor with a row for each image.
        """
        black = torch.zeros((2, 3, *self._recipe.preprocessing.size), dtype=torch.uint8)
        with torch.inference_mode():
            output: object = self._backbone.run_trunk(black.to(self._device))
        if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != 2:
            raise FacesimError(
                "the trunk's output cannot be cached: it is not a tensor [B, ...] with a row for "
                "each image"
            )
        return tuple(to_rows(output).shape[1:])

    @torch.inference_mode()
    def start(self, images: Tensor) -> PendingFeatures:
        """Start a pass over uint8 pixels [B, 3, H, W] on the CPU."""
        images = images.to(self._device, non_blocking=True)
        if self._recipe.flipped:
            images = images.flip(3)
        autocast = self._recipe.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=autocast):
            output = run_trunk_in_blocks(self._backbone, images, self.block)
        return PendingFeatures(to_rows(output), self.dtype)


def to_rows(output: Tensor) -> Tensor:
    """Feature maps are kept channels last, which is how the tail reads them fastest."""
    return (output.permute(0, 2, 3, 1) if output.ndim == 4 else output).contiguous()


def from_rows(rows: Tensor) -> Tensor:
    """The output of the trunk again: [B, C, H, W] for feature maps, channels last in memory."""
    return rows.permute(0, 3, 1, 2) if rows.ndim == 4 else rows
