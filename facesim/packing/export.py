"""Export of a trained network and of the score of its loss as ONNX."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from facesim.errors import FacesimError, PluginError
from facesim.interfaces import Loss
from facesim.model.network import SiameseNetwork, evaluating
from facesim.model.onnx_export import to_onnx

PIXELS, EMBEDDINGS, SCORES = "pixels", "embeddings", "scores"

_EXAMPLES = 3
"""Of a batch that is traced; sizes 0 and 1 are special to the exporter."""


def require_packages(*names: str) -> tuple[Any, ...]:
    """Import packages of the extra ``pack``.

    Args:
        names: of their modules.

    Raises:
        PluginError: one is not installed; the text names the extra.
    """
    try:
        return tuple(import_module(name) for name in names)
    except ModuleNotFoundError as error:
        raise PluginError(
            f'a pack needs the package {error.name}: pip install "facesim[pack]"'
        ) from None


class _Embedding(nn.Module):
    """Uint8 pixels [N, 3, H, W] -> embeddings float32 [N, D], the normalisation included."""

    def __init__(self, network: SiameseNetwork) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.head = network.head

    def forward(self, pixels: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.backbone(pixels))
        return embeddings.float()


class _Score(nn.Module):
    """Embeddings float32 [P, D] and [P, D] -> scores float32 [P]."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.loss.score(a, b).float()


def export_network(network: SiameseNetwork, image_size: tuple[int, int]) -> bytes:
    """The network as ONNX: ``pixels`` uint8 [N, 3, H, W] -> ``embeddings`` float32 [N, D].

    Args:
        network: on the CPU.
        image_size: H and W.

    Raises:
        FacesimError: the exporter cannot follow it, or it is too large for one file.
    """
    height, width = image_size
    pixels = torch.zeros(_EXAMPLES, 3, height, width, dtype=torch.uint8)
    with evaluating(network):
        return _exported(_Embedding(network), {PIXELS: pixels}, EMBEDDINGS, "the network")


def export_score(loss: Loss, embedding_dim: int) -> bytes:
    """The loss's score as ONNX: ``a`` and ``b`` float32 [P, D] -> ``scores`` float32 [P].

    Of the loss's weights it holds those that the score reads: weights per training identity stay
    where they are.

    Args:
        loss: on the CPU.
        embedding_dim: D.

    Raises:
        FacesimError: the exporter cannot follow it.
    """
    a, b = torch.randn(2, _EXAMPLES, embedding_dim, generator=torch.Generator().manual_seed(0))
    with evaluating(loss):
        return _exported(_Score(loss), {"a": a, "b": b}, SCORES, "the score of the loss")


def _exported(module: nn.Module, examples: dict[str, Tensor], output: str, what: str) -> bytes:
    """A module as ONNX, whose inputs and output have any number of rows."""
    require_packages("onnxscript", "onnx")
    try:
        return to_onnx(module.eval(), examples, output)
    except FacesimError as error:
        raise FacesimError(
            f"{what} {error}; `--format torch` packs the network as it is"
        ) from error
