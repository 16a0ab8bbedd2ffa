"""An ONNX model as a frozen backbone."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from facesim import Backbone, FacesimError, Normalization, backbones, did_you_mean
from facesim_plugins.backbones._onnx_file import content_digest
from facesim_plugins.backbones._onnx_session import (
    OnnxModel,
    Port,
    open_model,
    ports,
    takes_numbers,
)

Channels = tuple[float, float, float]


@backbones("onnx", packages=("onnxruntime",))
def onnx(
    *,
    file: Annotated[Path, Field(description="the model; its external data must be beside it")],
    mean: Annotated[
        Channels,
        Field(description="subtracted from pixels / 255: of red, green, blue"),
    ] = (0.5, 0.5, 0.5),
    std: Annotated[
        Channels,
        Field(description="what (pixels / 255 - mean) is divided by: of red, green, blue"),
    ] = (0.5, 0.5, 0.5),
    channels: Annotated[
        Literal["rgb", "bgr"], Field(description="the channel order that the model takes")
    ] = "rgb",
    input_name: Annotated[
        str | None, Field(description="of the images; needed if the model has several inputs")
    ] = None,
    output_name: Annotated[
        str | None, Field(description="of the embeddings; needed if the model has several outputs")
    ] = None,
) -> Backbone:
    """Run a model by onnxruntime on the CPU, to evaluate it by the same protocol as others.

    With the head `identity`, a loss without weights and `train.epochs: 0` the model is evaluated
    as it is; any other head is trained on its embeddings, which are computed once per image.
    The layout ([B, 3, H, W] or [B, H, W, 3]), image size, batch size and element type are read
    from the model. Mean and standard deviation are not: for a model that takes
    (pixels - 127.5) / 128 write `std: [0.502, 0.502, 0.502]`, for one that takes pixels from 0 to
    255 `mean: [0, 0, 0]` and `std: [0.00392156862745098, ...]`, which is 1 / 255.

    Raises:
        PluginError: onnx or onnxruntime is not installed.
        FacesimError: the file cannot be read or run, or does not map images to embeddings.
    """
    if min(std) <= 0:
        raise FacesimError(f"backbone onnx: std is {list(std)}; each must be greater than 0")
    path = file.resolve()
    digest = content_digest(path)
    inputs, outputs = ports(open_model(str(path), digest))
    images = _chosen(inputs, input_name, f"{file}: input_name")
    embeddings = _chosen(outputs, output_name, f"{file}: output_name")
    channels_last = _is_channels_last(images, file)
    if len(inputs) > 1:
        others = ", ".join(port.name for port in inputs if port is not images)
        raise FacesimError(f"backbone onnx: {file} takes more than images: {others}")
    if len(embeddings.shape) != 2 or not embeddings.shape[1] or not takes_numbers(embeddings):
        raise FacesimError(
            f"backbone onnx: {_described(embeddings, file)}; embeddings are floating-point numbers "
            "[batch, D] with a fixed D; name another output by output_name"
        )
    trunk = OnnxModel(
        path,
        digest,
        images,
        embeddings,
        channels_last=channels_last,
        reverses=channels == "bgr",
    )
    height, width = images.shape[1:3] if channels_last else images.shape[2:]
    return Backbone(
        trunk,
        nn.Identity(),
        trunk.features,
        Normalization(mean, std),
        image_size=None if height is None or width is None else (height, width),
    )


def _chosen(found: list[Port], name: str | None, parameter: str) -> Port:
    names = [port.name for port in found]
    if name is None and len(found) == 1:
        return found[0]
    if name is None:
        raise FacesimError(f"backbone onnx: {parameter} is needed, one of: {', '.join(names)}")
    if name not in names:
        raise FacesimError(
            f"backbone onnx: {parameter}: there is no {name!r}{did_you_mean(name, names)}; known: "
            f"{', '.join(names)}"
        )
    return found[names.index(name)]


def _is_channels_last(images: Port, file: Path) -> bool:
    fits = len(images.shape) == 4 and takes_numbers(images)
    if fits and images.shape[1] == 3:
        return False
    if fits and images.shape[3] == 3:
        return True
    raise FacesimError(
        f"backbone onnx: {_described(images, file)}; it must take floating-point images "
        "[batch, 3, height, width] or [batch, height, width, 3]"
    )


def _described(port: Port, file: Path) -> str:
    shape = ", ".join("?" if size is None else str(size) for size in port.shape)
    return f"{port.name!r} of {file} is {port.kind} [{shape}]"
