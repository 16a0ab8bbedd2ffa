"""The network of a pack of the format ``torch``: weights as safetensors, and their experiment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from facesim.arrays import Float32Array, UInt8Array
from facesim.errors import DataError, FacesimError
from facesim.experiment.loading import load_packed_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import Backbone, Head
from facesim.model.build import build_embedder
from facesim.model.network import SiameseNetwork
from facesim.packing.export import require_packages
from facesim.registry import Spec

_NORMALIZATION = ("mean", "std")
"""Of pixels; the backbone's state does not have them, as a checkpoint says them elsewhere."""

_IMAGES = 16


def weights_of(network: SiameseNetwork) -> bytes:
    """Backbone, normalisation and head as safetensors, without the loss."""
    [safetensors] = require_packages("safetensors.torch")
    state = _modules(network.backbone, network.head).state_dict()
    state |= {f"backbone.{name}": getattr(network.backbone, name) for name in _NORMALIZATION}
    # Each alone in its memory, which safetensors asks for.
    content: bytes = safetensors.save(
        {name: each.detach().cpu().contiguous().clone() for name, each in state.items()}
    )
    return content


class TorchNetwork:
    """Pixels -> embeddings, by torch on the CPU.

    Args:
        experiment_file: of the pack.
        experiment: its content.
        weights: the content of the pack's ``network.safetensors``.
        trust: whether to import the plugins that the experiment names without consent.

    Raises:
        FacesimError: the experiment cannot be read, a part of it cannot be built, or would read a
            file that a pack does not bring.
        UntrustedPluginsError: it names plugins without consent.
        DataError: the weights are those of another network.
    """

    def __init__(
        self, experiment_file: Path, experiment: bytes, weights: bytes, *, trust: bool = False
    ) -> None:
        [safetensors] = require_packages("safetensors.torch")
        loaded = load_packed_experiment(experiment, experiment_file, trust=trust)
        backbone = _unloaded(loaded)
        _require_no_files(experiment_file, backbone, loaded.head)
        self._backbone, self._head, _ = build_embedder(
            loaded.model_copy(update={"backbone": backbone})
        )
        try:
            state: dict[str, Tensor] = safetensors.load(weights)
            for name in _NORMALIZATION:
                self._backbone.get_buffer(name).copy_(state.pop(f"backbone.{name}"))
            _modules(self._backbone, self._head).load_state_dict(state)
        except Exception as error:  # of any kind, as a file may hold anything
            reason = " ".join(str(error).split())[:300]
            raise DataError(f"the weights do not fit {experiment_file}: {reason}") from error
        for part in (self._backbone, self._head):
            part.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self, pixels: UInt8Array) -> Float32Array:
        """Embeddings float32 [N, D] of images in RGB, uint8 [N, 3, H, W]."""
        embeddings = [
            self._head(self._backbone(torch.from_numpy(np.ascontiguousarray(part)))).float()
            for part in np.array_split(pixels, range(_IMAGES, len(pixels), _IMAGES))
        ]
        found: Float32Array = torch.cat(embeddings).numpy()
        return found


def _modules(backbone: nn.Module, head: nn.Module) -> nn.Module:
    return nn.ModuleDict({"backbone": backbone, "head": head})


def _require_no_files(experiment_file: Path, *parts: Spec[Backbone] | Spec[Head]) -> None:
    """Raise unless parts can be built without a file, which would be none of the pack."""
    for spec in parts:
        for key, value in spec.arguments.items():
            if any(isinstance(each, Path) for each in _each(value)):
                raise FacesimError(
                    f"{experiment_file}: {spec.plugin.kind} {spec.name}: {key} names a file, which "
                    "a pack in torch's format does not bring; use --format onnx"
                )


def _each(value: Any) -> Iterator[Any]:
    """A value, or what is in it, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _each(each)
    else:
        yield value


def _unloaded(experiment: Experiment) -> Spec[Backbone]:
    """The backbone without the weights that it begins training with, where it offers that.

    They would be read from a file, or fetched, only to be replaced.
    """
    spec = experiment.backbone
    if "weights" not in spec.arguments:
        return spec
    try:
        node = {**spec.as_node(), "weights": "none"}
        return Spec(spec.plugin, spec.plugin.parameters.model_validate(node))
    except ValidationError:
        return spec
