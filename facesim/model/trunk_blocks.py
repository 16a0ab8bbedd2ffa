"""Running a trunk so that an image's features do not depend on the batch that it comes in."""

import torch
from torch import Tensor

from facesim.interfaces import Backbone

TRUNK_BLOCK = 32
"""Images in one pass. Larger ones are no faster on a CPU."""


def run_trunk_in_blocks(backbone: Backbone, images: Tensor, block: int = TRUNK_BLOCK) -> Tensor:
    """The trunk's output, computed in passes of exactly ``block`` images.

    In ``eval()`` mode the images of a batch do not see each other, but the kernels of a convolution
    are chosen by the batch's size, and they round differently. With batches of one size, the last
    one filled up with black images, the same image has the same features to the last bit, on the
    same machine with the same number of threads.

    Args:
        backbone: its trunk is run, on the device on which it is.
        images: uint8 [B, 3, H, W] on the same device.
        block: images in one pass.

    Returns:
        [B, ...], detached.
    """
    if not backbone.has_trunk:
        return backbone.run_trunk(images)
    outputs = []
    for part in torch.split(images, block):
        output = backbone.run_trunk(_filled_up(part, block))
        outputs.append(output[: len(part)])
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _filled_up(images: Tensor, block: int) -> Tensor:
    if len(images) == block:
        return images.contiguous(memory_format=torch.channels_last)
    shape = (block, *images.shape[1:])
    filled = torch.zeros(shape, dtype=images.dtype, device=images.device)
    filled = filled.contiguous(memory_format=torch.channels_last)
    filled[: len(images)] = images
    return filled
