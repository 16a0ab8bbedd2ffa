"""Quantised networks."""

from collections import Counter

import numpy as np
import onnx
import pytest
import torch

from facesim.arrays import UInt8Array
from facesim.errors import DataError, FacesimError
from facesim.model.build import build_network
from facesim.packing.export import export_network
from facesim.packing.quantization import to_float16, to_int8
from facesim.verifier.onnx_network import OnnxNetwork
from tests.facesim.packing.small_run import SIZE, small_experiment


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    experiment = small_experiment(tmp_path_factory.mktemp("quantization"))
    return export_network(build_network(experiment, 4, torch.device("cpu")), SIZE)


@pytest.fixture(scope="module")
def pixels() -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (24, 3, *SIZE), np.uint8)


@pytest.fixture(scope="module")
def int8(exported: bytes, pixels: UInt8Array) -> bytes:
    return to_int8(exported, [pixels[:8], pixels[8:16]])


def test_float16_weights_embed_nearly_the_same(exported: bytes, pixels: UInt8Array) -> None:
    half = to_float16(exported)
    kinds = {each.data_type for each in onnx.load_from_string(half).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert onnx.TensorProto.FLOAT not in kinds
    found, expected = (OnnxNetwork(each, "").run(pixels) for each in (half, exported))
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=2e-2 * float(expected.std()))
    assert not np.array_equal(found, expected)


def test_int8_layers_embed_nearly_the_same(
    exported: bytes, int8: bytes, pixels: UInt8Array
) -> None:
    graph = onnx.load_from_string(int8).graph
    kinds = Counter(node.op_type for node in graph.node)
    layers = kinds["Conv"] + kinds["Gemm"]
    assert layers > 4
    integers = [each for each in graph.initializer if each.data_type == onnx.TensorProto.UINT8]
    assert sum(len(each.dims) > 1 for each in integers) == layers
    found, expected = (OnnxNetwork(each, "").run(pixels[16:]) for each in (int8, exported))
    assert found == pytest.approx(expected, abs=0.1 * float(expected.std()))
    assert not np.array_equal(found, expected)


def test_an_int8_embedding_does_not_depend_on_the_other_images(
    int8: bytes, pixels: UInt8Array
) -> None:
    network = OnnxNetwork(int8, "")
    alone = np.concatenate([network.run(pixels[row : row + 1]) for row in range(16, 24)])
    assert alone == pytest.approx(network.run(pixels[16:]), abs=1e-6)


def test_activations_and_weights_are_unsigned(int8: bytes) -> None:
    """Products of unsigned by signed bytes saturate on processors of before VNNI."""
    kinds = {each.data_type for each in onnx.load_from_string(int8).graph.initializer}
    assert onnx.TensorProto.UINT8 in kinds
    assert onnx.TensorProto.INT8 not in kinds


def test_ranges_are_those_after_the_activation_function(int8: bytes) -> None:
    """A range that also holds what the function cuts off wastes half of the 256 numbers."""
    graph = onnx.load_from_string(int8).graph
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type in ("Relu", "Clip"):
            assert makers[node.input[0]].op_type != "DequantizeLinear"


def test_it_names_no_operator_set_that_it_does_not_use(int8: bytes) -> None:
    assert [each.domain for each in onnx.load_from_string(int8).opset_import] == [""]


@pytest.mark.parametrize("numbers", ["int8", "float16"])
def test_a_network_that_cannot_be_quantised_is_one_line(numbers: str, pixels: UInt8Array) -> None:
    quantise = {"int8": lambda network: to_int8(network, [pixels]), "float16": to_float16}
    with pytest.raises(FacesimError) as refused:
        quantise[numbers](b"no network")
    said = str(refused.value)
    assert said.startswith(f"the network cannot be quantised to {numbers}: ")
    assert "\n" not in said
    assert said.endswith("; leave --quantize out")


def test_an_image_that_cannot_be_used_is_named(exported: bytes) -> None:
    def decode(row: int) -> UInt8Array:
        raise DataError("a.jpg: it is damaged")

    with pytest.raises(DataError, match=r"a\.jpg: it is damaged"):
        to_int8(exported, map(decode, range(3)))
