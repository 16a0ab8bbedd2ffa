"""Shape inference on torch's meta device."""

from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from facesim import FacesimError


def output_shape(model: nn.Module, image_size: tuple[int, int], who: str) -> tuple[int, ...]:
    """The shape of a network's output for one image, without the batch dimension.

    It runs in ``eval()`` mode on torch's ``meta`` device, where tensors have no values.

    Args:
        model: images float32 [B, 3, H, W] -> a tensor [B, ...].
        image_size: height and width.
        who: names the network in errors.

    Raises:
        FacesimError: it does not take such images, or does not return one tensor.
    """
    state = {
        name: tensor.to("meta")
        for name, tensor in chain(model.named_parameters(), model.named_buffers())
    }
    was_training = model.training
    try:
        with torch.no_grad():
            images = torch.empty(1, 3, *image_size, device="meta")
            output: object = functional_call(model.eval(), state, (images,))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        height, width = image_size
        raise FacesimError(
            f"{who} does not take {height} x {width} pixels (height x width): {error}"
        ) from None
    finally:
        model.train(was_training)
    if not isinstance(output, Tensor):
        raise FacesimError(f"{who} returns a {type(output).__name__}, not one tensor")
    return tuple(output.shape[1:])
