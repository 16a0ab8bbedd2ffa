"""Checks that kinds made of ``nn.Module`` share."""

import io
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from facesim.testing.contract import require

REGISTER = "assign nn.Parameter for what is trained, self.register_buffer(...) for what is not"
"""How a tensor becomes a part of its module."""


def require_registered_tensors(module: nn.Module) -> None:
    """Break the promise if a tensor is kept where neither a GPU nor a checkpoint would find it."""
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            place = f"{path}.{name}".lstrip(".")
            require(
                not isinstance(value, Tensor),
                f"{place} is a plain tensor: it stays behind when the network moves to a GPU, and "
                "no checkpoint holds it",
            )


def through_a_file(state: Any) -> Any:
    """What a checkpoint gives back of ``state``: tensors and plain data only."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def pickled(value: Any) -> Any:
    """What a worker process gets of ``value``."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301  what was pickled here


def difference(a: Tensor, b: Tensor, relative: float = 1e-4, absolute: float = 1e-5) -> str:
    """How two tensors differ beyond a tolerance; empty if they do not."""
    if a.shape != b.shape:
        return f"{list(a.shape)} became {list(b.shape)}"
    if torch.allclose(a, b, rtol=relative, atol=absolute):
        return ""
    return f"the values differ by up to {(a - b).abs().max().item():.2g}"
