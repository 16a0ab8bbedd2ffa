"""One training step: forward, backward, update."""

import math
import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor

from facesim.errors import FacesimError
from facesim.interfaces import PairBatch
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.seeds import derive_seed
from facesim.training.checkpoint import TrainingState


class NonFiniteLossError(FacesimError):
    """The loss is infinite or not a number."""


def training_loss(
    network: SiameseNetwork, inputs: NetworkInput, batch: PairBatch, precision: str
) -> Tensor:
    """The loss of a batch, a float32 scalar with its graph.

    Args:
        network: used in the mode in which it is.
        inputs: the images of the batch, on the network's device.
        batch: on the network's device.
        precision: in which tail and head compute, ``float32`` or ``bfloat16``.

    Raises:
        FacesimError: the loss is not a scalar, or has no gradient.
    """
    with autocast(network.device, precision):
        embeddings, loss = network(inputs, batch)
    return checked_loss(network, embeddings, loss)


def checked_loss(network: SiameseNetwork, embeddings: Tensor, loss: object) -> Tensor:
    """What the network's loss returned, if it can be trained with.

    Raises:
        FacesimError: it is not a scalar, or has no gradient.
    """
    if not isinstance(loss, Tensor):
        wrong = repr(loss)
    elif loss.ndim:
        wrong = f"a tensor of shape {list(loss.shape)}"
    elif embeddings.requires_grad and not loss.requires_grad:
        wrong = "a number without gradient"
    else:
        return loss
    raise FacesimError(
        f"the loss {type(network.loss).__name__} gives {wrong}; forward must return a scalar "
        "tensor that follows from the embeddings: mean() or sum(), no detach() or item()"
    )


def update(state: TrainingState, loss: Tensor) -> None:
    """One step of optimizer and scheduler along the gradient of ``loss``."""
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    state.optimizer.step()
    state.scheduler.step()


def seed_step(seed: int, step: int, device: torch.device, *part: int | str) -> None:
    """Seed what a step draws (dropout, ...), so that a resumed run draws the same.

    Only the generators that a step on ``device`` can use: `torch.manual_seed` seeds those of every
    kind of device, and where CUDA is not initialised it stores a stack trace per call.

    Args:
        seed: of the experiment.
        step: its number.
        device: where the step is computed.
        part: of a step whose parts may be computed by different processes.
    """
    derived = derive_seed(seed, "step", step, *part)
    torch.default_generator.manual_seed(derived)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(derived)
    elif device.type == "mps":
        torch.mps.manual_seed(derived)


def require_finite(loss: float, epoch: int, batch: int, step: int) -> None:
    """Refuse a loss that is infinite or not a number.

    Raises:
        NonFiniteLossError: names the batch and what to try.
    """
    if not math.isfinite(loss):
        raise NonFiniteLossError(
            f"the loss is {loss} at epoch {epoch}, batch {batch} (step {step}); the weights were "
            "not updated with it and the last checkpoint is kept; try a lower optimizer.lr"
        )


def precision_of(
    asked: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> Literal["float32", "bfloat16"]:
    """``auto`` is bfloat16 on CUDA, where it is fast, and float32 elsewhere."""
    if asked == "auto":
        return "bfloat16" if device.type == "cuda" else "float32"
    return asked


def why_slow(precision: str, device: torch.device) -> str | None:
    """Why a precision is slower than float32 here; None if it is not, as far as is known."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if precision != "bfloat16" or device.type != "cpu" or not is_x86:
        return None
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    tests = [getattr(torch.cpu, name) for name in names if hasattr(torch.cpu, name)]
    if not tests or any(supported() for supported in tests):
        return None
    return (
        "this processor has no bfloat16 arithmetic (AVX512_BF16 or AMX) and emulates it, slower "
        "than float32; write `train: {precision: float32}`, or run on one that has it"
    )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """The block in which tail and head compute in a precision."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
