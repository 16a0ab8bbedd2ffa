"""Tiny networks and scores in ONNX, made by hand: what `facesim pack` would write."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = (12, 10)
"""Height and width in pixels."""

DIMENSION = 16


def serialized(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[tuple[str, int, Sequence[Any]]],
    output: tuple[str, int, Sequence[Any]],
    **initializers: Any,
) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*output)],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in initializers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def network(seed: int = 0, *, size: tuple[int, int] = SIZE, scale: float = 1.0) -> bytes:
    """Random weights on the centred pixels."""
    values = 3 * size[0] * size[1]
    weights = np.random.default_rng(seed).normal(size=(values, DIMENSION)) * scale / 1000
    return serialized(
        [
            helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["numbers", "middle"], ["centred"]),
            helper.make_node("Reshape", ["centred", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["embeddings"]),
        ],
        [("pixels", TensorProto.UINT8, ["N", 3, *size])],
        ("embeddings", TensorProto.FLOAT, ["N", DIMENSION]),
        middle=np.float32(127.5),
        shape=np.array([-1, values], dtype=np.int64),
        weights=weights.astype(np.float32),
    )


def euclidean_score() -> bytes:
    """Minus the distance."""
    return _score(
        helper.make_node("Sub", ["a", "b"], ["d"]),
        helper.make_node("ReduceL2", ["d", "axes"], ["distance"], keepdims=0),
        helper.make_node("Neg", ["distance"], ["scores"]),
        axes=np.array([1], dtype=np.int64),
    )


def cosine_score() -> bytes:
    """The cosine."""
    return _score(
        helper.make_node("LpNormalization", ["a"], ["u"], axis=1, p=2),
        helper.make_node("LpNormalization", ["b"], ["v"], axis=1, p=2),
        helper.make_node("Mul", ["u", "v"], ["product"]),
        helper.make_node("ReduceSum", ["product", "axes"], ["scores"], keepdims=0),
        axes=np.array([1], dtype=np.int64),
    )


def learned_score() -> bytes:
    """A small network on the products and on the sums, which is symmetric."""
    random = np.random.default_rng(5)
    return _score(
        helper.make_node("Mul", ["a", "b"], ["products"]),
        helper.make_node("Add", ["a", "b"], ["sums"]),
        helper.make_node("Concat", ["products", "sums"], ["both"], axis=1),
        helper.make_node("MatMul", ["both", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("MatMul", ["positive", "second"], ["column"]),
        helper.make_node("Squeeze", ["column", "axes"], ["scores"]),
        first=random.normal(size=(2 * DIMENSION, 16)).astype(np.float32),
        second=random.normal(size=(16, 1)).astype(np.float32),
        axes=np.array([1], dtype=np.int64),
    )


SCORES = {"cosine": cosine_score, "euclidean": euclidean_score, None: learned_score}
"""By what the score depends on."""


def _score(*nodes: onnx.NodeProto, **initializers: Any) -> bytes:
    sides = [(side, TensorProto.FLOAT, ["P", DIMENSION]) for side in "ab"]
    return serialized(nodes, sides, ("scores", TensorProto.FLOAT, ["P"]), **initializers)
