"""The type in which the trunk's cached output is given to the network that is trained."""

from copy import deepcopy
from itertools import starmap

import torch
from torch import Tensor, nn

from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.training.determinism import undisturbed
from facesim.training.step import autocast

_IMAGES = 4


def input_dtype(network: SiameseNetwork, blank: NetworkInput, precision: str) -> torch.dtype | None:
    """The type in which tail and head are best given what is cached; None for that of the cache.

    Other devices are sent the smallest type. On a CPU a reader converts while others compute: to
    float32, or to bfloat16 where tail and head give the same bits for it. They do where all that
    they do first is to cast: autocast casts the input of each convolution by itself, on the threads
    that train.

    Args:
        network: not compiled as one graph, which converts while it reads.
        blank: images as the inputs of the training give them; four are enough.
        precision: in which tail and head compute.
    """
    if blank.kind != "trunk_output" or network.device.type != "cpu":
        return None
    # Modules that are compiled by parts would be compiled for the other type, too.
    if precision != "bfloat16" or network.is_compiled_by_parts:
        return torch.float32
    with undisturbed(), torch.enable_grad():
        torch.default_generator.manual_seed(0)
        try:
            modules = deepcopy(nn.Sequential(network.backbone.tail, network.head)).train()
            with torch.no_grad():
                # What is zero before the first step, as some weights are, would hide its input.
                for weight in modules.parameters():
                    weight.add_(torch.randn_like(weight), alpha=0.02)
            values = torch.randn_like(blank.values[:_IMAGES], dtype=torch.float32)
            passes = [
                _bits(deepcopy(modules), values.to(dtype))
                for dtype in (torch.float32, torch.bfloat16)
            ]
        except Exception:  # noqa: BLE001  modules of plugins, which may refuse a type
            return torch.float32
    return torch.bfloat16 if all(starmap(_equal, zip(*passes, strict=True))) else torch.float32


def _bits(modules: nn.Module, values: Tensor) -> list[Tensor | None]:
    """The output of a pass in bfloat16, and the gradients of all weights."""
    torch.default_generator.manual_seed(0)
    with autocast(values.device, "bfloat16"):
        output: Tensor = modules(values).float()
    if output.requires_grad:
        torch.autograd.backward((output * torch.randn_like(output)).sum())
    return [output.detach(), *(weight.grad for weight in modules.parameters())]


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other if one is None or other is None else torch.equal(one, other)
