"""An ONNX model as a custom operator of torch, run by onnxruntime."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

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
        kind: its element type, as onnxruntime calls it.
        shape: None for a dynamic dimension.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]


@lru_cache(maxsize=4)
def open_model(file: str, digest: str) -> Any:
    """The onnxruntime session of a model on the CPU, opened once per process.

    Args:
        file: its path.
        digest: of its content when the backbone was built.

    Raises:
        PluginError: onnxruntime is not installed.
        FacesimError: the content has changed, or cannot be run.
    """
    runtime = onnx_package("onnxruntime")
    if content_digest(Path(file)) != digest:
        raise FacesimError(
            f"backbone onnx: {file} has changed since the run began; start a new run"
        )
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
        [
            Port(
                port.name,
                port.type,
                # A dynamic dimension is a name, None or not positive.
                tuple(n if isinstance(n, int) and n > 0 else None for n in port.shape),
            )
            for port in ends
        ]
        for ends in (session.get_inputs(), session.get_outputs())
    )
    return inputs, outputs


def takes_numbers(port: Port) -> bool:
    """Whether the elements of a port are floating-point numbers."""
    return port.kind in _NUMBERS


@torch.library.custom_op("facesim::run_onnx", mutates_args=())
def run_onnx(
    images: Tensor, file: str, digest: str, input_name: str, output_name: str, features: int
) -> Tensor:
    """Run a model on float32 images [B, ...], in batches of the size that it takes.

    Returns:
        float32 [B, features] on the device of the images.

    Raises:
        FacesimError: the file has changed, or the model returns another shape.
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
        output = _run(session, output_name, {input_name: filled}, file)
        parts.append(output[: len(part)].astype(np.float32))
    try:
        embeddings = np.concatenate(parts)
    except ValueError:
        raise FacesimError(
            f"backbone onnx: {file} returns rows of the shape {list(parts[-1].shape[1:])}, not of "
            f"{features} numbers, as it declares"
        ) from None
    return torch.from_numpy(embeddings).to(images.device)


def _run(session: Any, output_name: str, inputs: dict[str, Any], file: str) -> Any:
    """The output for a batch, one row per image.

    Raises:
        FacesimError: the model cannot take images of this size, or returns another number of rows.
    """
    (images,) = inputs.values()
    of_images = f"images {list(images.shape[1:])}"
    try:
        (output,) = session.run([output_name], inputs)
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
        raise FacesimError(
            f"backbone onnx: {file} cannot take {of_images}: {error}; set image.size to what the "
            "model was made for"
        ) from None
    if len(output) != len(images):
        raise FacesimError(
            f"backbone onnx: {file} returns {len(output)} rows for {len(images)} {of_images}; set "
            "image.size to what the model was made for"
        )
    return output


@run_onnx.register_fake
def _without_running(images: Tensor, *of_model: Any) -> Tensor:
    return images.new_empty((images.shape[0], of_model[-1]), dtype=torch.float32)


class OnnxModel(nn.Module):
    """Runs an ONNX model; each process opens its own session.

    The trunk cache keys features by the source files of the trunk's classes, so this class must
    stay in one file with the functions that it calls.

    Attributes:
        digest: uint8 [32], SHA-256 of the model's content. It stands for the weights: it is part
            of the trunk cache's key and of a checkpoint.
        runtime: name and version of what computes, which are part of that key too.
        features: width of an embedding.
    """

    digest: Tensor

    def __init__(
        self,
        file: Path,
        digest: str,
        images: Port,
        embeddings: Port,
        *,
        channels_last: bool,
        reverses: bool,
    ) -> None:
        super().__init__()
        self.register_buffer("digest", torch.tensor(list(bytes.fromhex(digest)), dtype=torch.uint8))
        # As text, because torch.export of torch 2.6 does not trace a Path. In a dictionary, because
        # the trunk's cache key takes text for a setting, and must not depend on the file's folder.
        self.location = {"file": str(file)}
        self.content = digest
        self.input_name = images.name
        self.output_name = embeddings.name
        self.features = cast(int, embeddings.shape[1])  # which whoever builds it has checked
        self.channels_last = channels_last
        self.reverses = reverses
        self.runtime = f"onnxruntime {onnx_package('onnxruntime').__version__}"
        self.register_load_state_dict_post_hook(_require_same_content)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images float32 [B, 3, H, W] -> embeddings float32 [B, features]."""
        if self.reverses:
            images = images.flip(1)
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        embeddings: Tensor = run_onnx(
            images,
            self.location["file"],
            self.content,
            self.input_name,
            self.output_name,
            self.features,
        )
        return embeddings


def _require_same_content(model: OnnxModel, _keys: object) -> None:
    """Refuse the state of another file, by a RuntimeError as torch's own for misfit weights."""
    if bytes(model.digest.tolist()).hex() != model.content:
        raise RuntimeError(
            f"{model.location['file']} is not the model that the state was saved with"
        )
