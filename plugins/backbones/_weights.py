"""Pretrained weights: downloading, reading and loading them into a network."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from facesim import DataError, FacesimError, did_you_mean, load_tensors


def torchvision_file(weights: Any, plugin: str, network: str) -> Path:
    """Torchvision's ImageNet weights as a file, downloaded unless it is there.

    Args:
        weights: a member of one of torchvision's enumerations of weights.
        plugin: name of the backbone, for errors.
        network: name of the architecture, for errors.

    Raises:
        FacesimError: the download failed; the message says where to put the file by hand.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlparse(weights.url).path).name
    if file.is_file():
        return file
    try:
        weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise FacesimError(
            f"backbone {plugin}: the ImageNet weights of {network} cannot be downloaded "
            f"({error}); put torchvision's {file.name} into {folder}, or give its path as "
            "`weights: FILE`, or write `weights: none` to start from random weights"
        ) from None
    return file


def read_weights(path: Path, pretrained: str = "imagenet") -> dict[str, Tensor]:
    """Read a state dict; only tensors and plain data are unpickled.

    Args:
        path: written by ``torch.save``, or named ``.safetensors``.
        pretrained: the parameter's value for the model's own weights, for errors.

    Raises:
        FacesimError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        hint = did_you_mean(path.name, (pretrained, "none"))
        raise FacesimError(
            f"weights: there is no file {path}{hint}; write {pretrained}, none, or the path of a "
            "state dict written by torch.save or as safetensors"
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        state = load_tensors(path)
    except (DataError, OSError) as error:
        raise FacesimError(
            f"weights: {path} cannot be read as a state dict ({error}); it must be a file "
            "written by torch.save(model.state_dict(), FILE)"
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise FacesimError(
            f"weights: {path} holds {_what(state)}, not a state dict; save the dictionary of "
            "tensors alone"
        )
    return dict(state)


def load_weights(model: nn.Module, file: Path, classifier: str) -> None:
    """Load weights into a model whose classification layer is removed.

    Args:
        model: the whole network; ``classifier`` becomes ``nn.Identity()`` in it.
        file: a state dict of that network; the entries of ``classifier`` may be missing.
        classifier: path of the final layer.

    Raises:
        FacesimError: the file cannot be read, or entries are missing, unknown or of another shape;
            the first few are named.
    """
    model.set_submodule(classifier, nn.Identity())
    fit_weights(model, file, dropped=(classifier,))


def fit_weights(
    model: nn.Module, file: Path, dropped: Sequence[str], pretrained: str = "imagenet"
) -> None:
    """Load weights into a model that lacks some of the file's modules.

    Args:
        model: a network.
        file: a state dict of that network.
        dropped: modules whose entries are ignored.
        pretrained: the parameter's value for the model's own weights, for errors.

    Raises:
        FacesimError: as of :func:`load_weights`.
    """
    prefixes = tuple(f"{module}." for module in dropped)
    state = {k: v for k, v in read_weights(file, pretrained).items() if not k.startswith(prefixes)}
    expected = model.state_dict()
    # Files from before torch 0.4.1 have no such counter, and nothing in inference reads it.
    required = [name for name in expected if not name.endswith("num_batches_tracked")]
    faults = {
        "missing": [name for name in required if name not in state],
        "unknown": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
            for name, tensor in expected.items()
            if name in state and state[name].shape != tensor.shape
        ],
    }
    if any(faults.values()):
        found = "; ".join(f"{what}: {_first_few(names)}" for what, names in faults.items() if names)
        raise FacesimError(f"weights: {file} does not fit this backbone; {found}")
    model.load_state_dict(state, strict=False)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        library = import_module("safetensors.torch")
    except ModuleNotFoundError:
        raise FacesimError(f"weights: to read {path}, pip install safetensors") from None
    try:
        state: dict[str, Tensor] = library.load_file(path)
    except (OSError, import_module("safetensors").SafetensorError) as error:
        raise FacesimError(
            f"weights: {path} cannot be read as safetensors ({error}); it may be damaged or "
            "incomplete"
        ) from None
    return state


def _first_few(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _what(value: object) -> str:
    if isinstance(value, Mapping):
        return "a dictionary with " + _first_few([str(key) for key in value])
    return f"a {type(value).__name__}"
