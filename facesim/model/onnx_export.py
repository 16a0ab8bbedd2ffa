"""Export of modules as ONNX."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from facesim.errors import FacesimError

_LARGEST = 2**31 - 1
"""Bytes of a protocol buffer; a larger model needs a second file for its weights."""


def to_onnx(module: nn.Module | ExportedProgram, examples: dict[str, Tensor], output: str) -> bytes:
    """A module as ONNX, BatchNorm folded into the convolutions before it.

    Args:
        module: in evaluation mode, on the CPU; its inputs and output may then have any number of
            rows. Or what `torch.export` made of one: as many rows as it was exported with.
        examples: its inputs by name.
        output: the name of its output.

    Raises:
        FacesimError: the exporter cannot follow it, or it is too large for one file; the text goes
            on after the module's name.
    """
    exported = isinstance(module, ExportedProgram)
    rows = torch.export.Dim("rows")
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                module,
                kwargs=examples,
                dynamo=True,
                dynamic_shapes=None if exported else {name: {0: rows} for name in examples},
                input_names=list(examples),
                output_names=[output],
                external_data=False,
                optimize=True,
                verbose=False,
            )
        model = cast("Any", program).model_proto
    except Exception as error:  # of any kind: a module may do anything
        raise FacesimError(f"cannot be exported as ONNX: {innermost_reason(error)}") from error
    if model.ByteSize() > _LARGEST:
        raise FacesimError(f"has {model.ByteSize() / 2**30:.1f} GiB as ONNX, and a file holds 2")
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


def innermost_reason(error: Exception) -> str:
    """The innermost cause, in one line: exporters wrap it in pages of advice."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0][:300]}" if lines else type(cause).__name__


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
