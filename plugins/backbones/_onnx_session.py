"""An ONNX model as an operation of torch: run by onnxruntime, opaque to everything else."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facesim import FacesimError
from facesim_plugins.backbones._onnx_file import content_digest, onnx_package

_NUMBERS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


@dataclass(frozen=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: as the model calls it.
        kind: of its numbers, as onnxruntime calls it.
        shape: None for a dimension that may be anything.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]


@lru_cache(maxsize=4)
def open_model(file: str, digest: str) -> Any:
    """The onnxruntime session of a model, opened once a process, on the processor.

    Args:
        file: its path.
        digest: of its content, as it was when the backbone was built.

    Raises:
        PluginError: onnxruntime is not installed.
        FacesimError: the content is another one, or cannot be run.
    """
    runtime = onnx_package("onnxruntime")
    if content_digest(Path(file)) != digest:
        raise FacesimError(f"backbone onnx: {file} has changed since the run began; start it again")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
        raise FacesimError(f"backbone onnx: {file} cannot be run: {error}") from None


def ports(session: Any) -> tuple[list[Port], list[Port]]:
    """The inputs and the outputs of a model."""
    inputs, outputs = (
        [Port(port.name, port.type, tuple(map(_known, port.shape))) for port in ends]
        for ends in (session.get_inputs(), session.get_outputs())
    )
    return inputs, outputs


def takes_numbers(port: Port) -> bool:
    """Whether a port is of floating-point numbers."""
    return port.kind in _NUMBERS


@torch.library.custom_op("facesim::run_onnx", mutates_args=())
def run_onnx(
    images: Tensor, file: str, digest: str, input_name: str, output_name: str, features: int
) -> Tensor:
    """Run a model on float32 images [B, ...], in batches as it takes them.

    Returns:
        float32 [B, features] on the device of the images.

    Raises:
        FacesimError: the file has changed, or the model gives another shape.
    """
    session = open_model(file, digest)
    port = next(port for port in ports(session)[0] if port.name == input_name)
    array = images.detach().cpu().numpy().astype(_NUMBERS[port.kind])
    size = port.shape[0] or max(len(array), 1)
    parts = [np.empty((0, features), np.float32)]
    for start in range(0, len(array), size):
        part = array[start : start + size]
        missing = size - len(part)
        filled = np.pad(part, [(0, missing), *[(0, 0)] * (part.ndim - 1)])
        (output,) = session.run([output_name], {input_name: filled})
        parts.append(output[: len(part)].astype(np.float32))
    try:
        embeddings = np.concatenate(parts)
    except ValueError:
        raise FacesimError(
            f"backbone onnx: {file} gives rows of the shape {list(parts[-1].shape[1:])}, not of "
            f"{features} numbers, as it says"
        ) from None
    return torch.from_numpy(embeddings).to(images.device)


@run_onnx.register_fake
def _without_running(images: Tensor, *of_model: Any) -> Tensor:
    return images.new_empty((images.shape[0], of_model[-1]), dtype=torch.float32)


def _known(dimension: object) -> int | None:
    return dimension if isinstance(dimension, int) and dimension > 0 else None
