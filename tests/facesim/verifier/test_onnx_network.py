"""Networks and scores are run within bounds, and refused where they are something else."""

import subprocess
import sys

import numpy as np
import pytest

from facesim.arrays import UInt8Array
from facesim.errors import DataError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
import onnx
from onnx import TensorProto, helper

from facesim.verifier.onnx_network import OnnxNetwork, OnnxScore
from tests.facesim.verifier import tiny_networks as tiny


def pixels_of(count: int) -> UInt8Array:
    return np.random.default_rng(1).integers(0, 256, (count, 3, *tiny.SIZE), dtype=np.uint8)


def test_embeddings_are_those_of_the_weights() -> None:
    pixels = pixels_of(35)
    weights = np.random.default_rng(0).normal(size=(3 * 12 * 10, tiny.DIMENSION)) / 1000
    expected = (pixels.reshape(35, -1) - 127.5) @ weights
    found = OnnxNetwork(tiny.network(), "network.onnx").run(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_score_does_not_depend_on_the_pairs_that_are_scored_with_it() -> None:
    random = np.random.default_rng(2)
    a, b = (random.normal(size=(1000, tiny.DIMENSION)).astype(np.float32) for _ in range(2))
    for content in (tiny.learned_score(), tiny.cosine_score(), tiny.euclidean_score()):
        score = OnnxScore(content, "score.onnx")
        together = score.run(a, b)
        alone = [score.run(a[row : row + 1], b[row : row + 1])[0] for row in range(0, 1000, 37)]
        assert together[::37].tolist() == alone


def graph(*nodes: onnx.NodeProto, output: int = TensorProto.FLOAT, **initializers: object) -> bytes:
    return tiny.serialized(
        nodes,
        [("pixels", TensorProto.UINT8, ["N", 3, *tiny.SIZE])],
        ("embeddings", output, None),  # type: ignore[arg-type]
        **initializers,
    )


def test_memory_is_bounded() -> None:
    """20 GiB that a file of a hundred bytes asks for."""
    content = graph(
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["numbers", "sum"], ["embeddings"]),
        size=np.array([20 * 2**28], dtype=np.int64),
    )
    with pytest.raises(DataError, match=r"network\.onnx: cannot be run: .*memory"):
        OnnxNetwork(content, "network.onnx").run(pixels_of(1))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiny.learned_score(), "its inputs are a tensor"),
        (tiny.network().replace(b"embeddings", b"embeddingz"), "one output, 'embeddings'"),
        (
            graph(helper.make_node("Cast", ["pixels"], ["embeddings"], to=11), output=11),
            "one output",
        ),
        (graph(helper.make_node("NoSuch", ["pixels"], ["embeddings"])), "cannot be loaded"),
    ],
)
def test_another_network_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=rf"^network\.onnx: .*{said}") as refused:
        OnnxNetwork(content, "network.onnx")
    assert "\n" not in str(refused.value)


def test_embeddings_of_another_shape_are_refused() -> None:
    content = graph(helper.make_node("Cast", ["pixels"], ["embeddings"], to=TensorProto.FLOAT))
    with pytest.raises(DataError, match="has the shape"):
        OnnxNetwork(content, "network.onnx").run(pixels_of(2))


def test_what_is_not_finite_is_refused() -> None:
    network = OnnxNetwork(tiny.network(scale=1e38), "network.onnx")
    with pytest.raises(DataError, match="an embedding is not finite"):
        network.run(pixels_of(3))
    score = OnnxScore(tiny.learned_score(), "score.onnx")
    huge = np.full((1, tiny.DIMENSION), 1e30, dtype=np.float32)
    with pytest.raises(DataError, match="a score is not finite"):
        score.run(huge, huge)


def test_a_missing_runtime_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from facesim.errors import FacesimError\n"
        "from facesim.verifier.onnx_network import runtime_name\n"
        "try: runtime_name()\n"
        "except FacesimError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'facesim[verify]'" in ended.stdout
