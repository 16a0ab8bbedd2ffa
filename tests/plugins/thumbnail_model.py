"""An ONNX model whose embedding of an image is a thumbnail of it."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

SIDE, THUMBNAIL = 24, 6


def thumbnail_model(folder: Path) -> Sequence[str]:
    """Write it into a folder, and give the overrides that train a head on it."""
    cell = [SIDE // THUMBNAIL] * 2
    nodes = [
        helper.make_node("AveragePool", ["images"], ["small"], kernel_shape=cell, strides=cell),
        helper.make_node("Flatten", ["small"], ["embeddings"]),
    ]
    shapes: dict[str, tuple[str | int, ...]] = {
        "images": ("n", 3, SIDE, SIDE),
        "embeddings": ("n", 3 * THUMBNAIL**2),
    }
    images, embeddings = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    graph = helper.make_graph(nodes, "thumbnail", [images], [embeddings])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), folder / "model.onnx")
    return (
        f"backbone={{name: onnx, file: {folder / 'model.onnx'}}}",
        "head={name: mlp, normalize: true}",
    )
