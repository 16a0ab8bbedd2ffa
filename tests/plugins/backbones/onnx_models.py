"""Small ONNX models that embed images, written by the tests that use them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES = 5


def weights(seed: int = 0) -> Any:
    """Of a convolution with stride 2, float32 [5, 3, 3, 3]."""
    return np.random.default_rng(seed).normal(size=(FEATURES, 3, 3, 3)).astype(np.float32)


def write_model(
    path: Path,
    *,
    images: tuple[Any, ...] = ("n", 3, "h", "w"),
    embeddings: tuple[Any, ...] = ("n", FEATURES),
    kind: int = TensorProto.FLOAT,
    seed: int = 0,
    further: tuple[Any, ...] = (),
    external: str | None = None,
    last: str = "Flatten",
) -> Path:
    """Write a convolution, ReLU and the average over the image.

    Args:
        path: of the model.
        images: shape of the input `images`; None or text for what may be anything.
        embeddings: stated shape of the output `embeddings`.
        kind: of all numbers.
        seed: of the weights.
        further: inputs that nothing reads.
        last: operation.
        external: where the weights are said to be, instead of in the file.
    """
    kernel = numpy_helper.from_array(
        weights(seed).astype(helper.tensor_dtype_to_np_dtype(kind)), "kernel"
    )
    if external is not None:
        raw = kernel.raw_data
        kernel.ClearField("raw_data")
        kernel.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("length", str(len(raw)))):
            entry = kernel.external_data.add()
            entry.key, entry.value = key, value
        (path.parent / Path(external).name).write_bytes(raw)
    nodes, first = [], "images"
    if len(images) == 4 and images[3] == 3:
        nodes.append(helper.make_node("Transpose", ["images"], ["first"], perm=[0, 3, 1, 2]))
        first = "first"
    nodes += [
        helper.make_node("Conv", [first, "kernel"], ["maps"], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node(last, ["pooled"], ["embeddings"]),
    ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("images", kind, images), *further],
        [helper.make_tensor_value_info("embeddings", kind, embeddings)],
        [kernel],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    assert onnx.load(path, load_external_data=False).graph.name == "embedder"
    return path


def write_model_of_8_by_8(path: Path, operation: str) -> Path:
    """Write a model that says it takes images of any size, and was made for 8 by 8.

    Args:
        path: of the model.
        operation: ``Reshape`` makes more rows of larger images, ``MatMul`` cannot take them.
    """
    width = 3 * 8 * 8
    shape = numpy_helper.from_array(np.array([-1, width]), "shape")
    unchanged = numpy_helper.from_array(np.eye(width, dtype=np.float32), "unchanged")
    rows = {
        "Reshape": [helper.make_node("Reshape", ["images", "shape"], ["embeddings"])],
        "MatMul": [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("MatMul", ["flat", "unchanged"], ["embeddings"]),
        ],
    }
    graph = helper.make_graph(
        rows[operation],
        "embedder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ("n", 3, "h", "w"))],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ("n", width))],
        [shape, unchanged],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
