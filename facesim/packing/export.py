"""Export of a trained network and of the score of its loss as ONNX."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor, nn

from facesim.errors import FacesimError, PluginError
from facesim.interfaces import Loss
from facesim.model.network import SiameseNetwork, evaluating

PIXELS, EMBEDDINGS, SCORES = "pixels", "embeddings", "scores"

_LARGEST = 2**31 - 1
"""Bytes of a protocol buffer; a larger model needs a second file for its weights."""

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
    rows = torch.export.Dim("rows")
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                kwargs=examples,
                dynamo=True,
                dynamic_shapes={name: {0: rows} for name in examples},
                input_names=list(examples),
                output_names=[output],
                external_data=False,
                optimize=True,
                verbose=False,
            )
        model = cast("Any", program).model_proto
    except Exception as error:  # of any kind: a module may do anything
        raise FacesimError(
            f"{what} cannot be exported as ONNX: {_reason(error)}; `--format torch` packs the "
            "network as it is"
        ) from error
    if model.ByteSize() > _LARGEST:
        raise FacesimError(
            f"{what} has {model.ByteSize() / 2**30:.1f} GiB as ONNX, and a file holds 2; "
            "`--format torch` packs it"
        )
    return serialized(model)


def serialized(model: Any) -> bytes:
    """An ONNX model without what exporters note about the code and the machine they ran on.

    Args:
        model: ``onnx.ModelProto``, which is changed.
    """
    graph = model.graph
    described = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for part in (model, graph, *(each for kind in described for each in kind)):
        part.doc_string = ""
        del part.metadata_props[:]
    used = {"", *(node.domain for node in graph.node)}
    for opset in [each for each in model.opset_import if each.domain not in used]:
        model.opset_import.remove(opset)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's remarks to itself; what it cannot do is an error."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """The innermost cause, in one line: the exporter wraps it in pages of advice."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0][:300]}" if lines else type(cause).__name__
