"""Checks shared by the contracts of modules."""

import io
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from facesim.testing.contract import require

REGISTER = "assign trainable tensors as nn.Parameter, all others by self.register_buffer(...)"
"""The hint for a tensor that its module does not know."""


def require_registered_tensors(module: nn.Module) -> None:
    """Require that every tensor of a module is a parameter or a buffer."""
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            place = f"{path}.{name}".lstrip(".")
            require(
                not isinstance(value, Tensor),
                f"{place} is a plain tensor, which neither moves to a GPU with the network nor is "
                "saved in a checkpoint",
            )


def through_a_file(state: Any) -> Any:
    """Save and load ``state`` as a checkpoint does: tensors and plain data only."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def pickled(value: Any) -> Any:
    """The copy of ``value`` that a worker process gets."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301  pickled in the same line


def difference(a: Tensor, b: Tensor, relative: float = 1e-4, absolute: float = 1e-5) -> str:
    """How two tensors differ beyond a tolerance; empty if they do not."""
    if a.shape != b.shape:
        return f"{list(a.shape)} became {list(b.shape)}"
    if torch.allclose(a, b, rtol=relative, atol=absolute):
        return ""
    return f"the values differ by up to {(a - b).abs().max().item():.2g}"
