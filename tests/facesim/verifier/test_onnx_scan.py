"""Hostile ONNX files are refused before anything loads them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesim.errors import DataError
from facesim.verifier.onnx_scan import (
    DATA_LOCATION,
    DOMAIN,
    FORBIDDEN,
    OP_TYPE,
    SUB_MESSAGES,
    require_harmless_onnx,
)

pytest.importorskip("onnx")
import onnx


def model() -> onnx.ModelProto:
    weights = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "weights")
    value = onnx.numpy_helper.from_array(np.ones(2, np.float32), "value")
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Constant", [], ["bias"], value=value),
            onnx.helper.make_node("MatMul", ["x", "weights"], ["product"]),
            onnx.helper.make_node("Add", ["product", "bias"], ["y"]),
        ],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 2])],
        [weights],
    )
    return onnx.helper.make_model(graph)


def points_elsewhere(tensor: onnx.TensorProto) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def external_initializer(found: onnx.ModelProto) -> None:
    points_elsewhere(found.graph.initializer[0])


def external_attribute(found: onnx.ModelProto) -> None:
    points_elsewhere(found.graph.node[0].attribute[0].t)


def external_in_a_list(found: onnx.ModelProto) -> None:
    points_elsewhere(found.graph.node[0].attribute[0].tensors.add())


def external_sparse(found: onnx.ModelProto) -> None:
    points_elsewhere(found.graph.sparse_initializer.add().indices)


def location_without_entries(found: onnx.ModelProto) -> None:
    found.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL


def entries_without_location(found: onnx.ModelProto) -> None:
    points_elsewhere(found.graph.initializer[0])
    found.graph.initializer[0].data_location = onnx.TensorProto.DEFAULT


def custom_operator(found: onnx.ModelProto) -> None:
    found.graph.node[1].domain = "evil"


def vendor_operator(found: onnx.ModelProto) -> None:
    found.graph.node[1].op_type, found.graph.node[1].domain = "EPContext", "com.microsoft"


def function(found: onnx.ModelProto) -> None:
    found.functions.add().name = "f"


def training(found: onnx.ModelProto) -> None:
    found.training_info.add()


def sub_graph(found: onnx.ModelProto) -> None:
    attribute = found.graph.node[1].attribute.add()
    attribute.name, attribute.type = "body", onnx.AttributeProto.GRAPH
    attribute.g.CopyFrom(model().graph)


def loop(found: onnx.ModelProto) -> None:
    found.graph.node[1].op_type = "Loop"


def nothing(found: onnx.ModelProto) -> None:
    del found.graph.node[:]


ATTACKS: list[Callable[[onnx.ModelProto], None]] = [
    external_initializer,
    external_attribute,
    external_in_a_list,
    external_sparse,
    location_without_entries,
    entries_without_location,
    custom_operator,
    vendor_operator,
    function,
    training,
    sub_graph,
    loop,
    nothing,
]


def test_a_plain_network_is_accepted() -> None:
    require_harmless_onnx(model().SerializeToString(), "network.onnx")


def test_a_quantized_operator_is_accepted() -> None:
    found = model()
    found.graph.node[1].op_type, found.graph.node[1].domain = "QLinearAdd", "com.microsoft"
    require_harmless_onnx(found.SerializeToString(), "network.onnx")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_it_is_refused(attack: Callable[[onnx.ModelProto], None]) -> None:
    found = model()
    attack(found)
    with pytest.raises(DataError, match=r"^network\.onnx: refused before loading: "):
        require_harmless_onnx(found.SerializeToString(), "network.onnx")


def test_a_hidden_second_graph_is_walked_too() -> None:
    """Protocol buffers merge a message that comes twice."""
    second = model()
    external_initializer(second)
    with pytest.raises(DataError, match="in another file"):
        require_harmless_onnx(
            model().SerializeToString() + second.SerializeToString(), "network.onnx"
        )


@pytest.mark.parametrize("keep", [0, 1, 10, 60, -1])
def test_a_truncated_file_is_refused(keep: int) -> None:
    with pytest.raises(DataError, match="refused before loading"):
        require_harmless_onnx(model().SerializeToString()[:keep], "network.onnx")


@pytest.mark.parametrize("content", [b"\xff" * 100, b"\x3b\x3c" * 50, b"ORTM" * 50, b"<html>" * 9])
def test_what_is_no_protocol_buffer_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="refused before loading"):
        require_harmless_onnx(content, "network.onnx")


PLACES = {
    "ModelProto": (),
    "GraphProto": (7,),
    "NodeProto": (7, 1),
    "AttributeProto": (7, 1, 5),
    "TensorProto": (7, 5),
    "SparseTensorProto": (7, 15),
}
"""The numbers of the fields that lead to a message."""

LOOKED_AT = [
    *((kind, number) for kind, fields in FORBIDDEN.items() for number in fields),
    *((kind, number) for kind, fields in SUB_MESSAGES.items() for number in fields),
    ("NodeProto", OP_TYPE),
    ("NodeProto", DOMAIN),
    ("TensorProto", DATA_LOCATION),
]


def varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def entry(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def beyond_32_bits(tag: int) -> bytes:
    return varint(tag | 1 << 32)


def beyond_64_bits(tag: int) -> bytes:
    return varint(tag | 1 << 64)


def overlong(tag: int) -> bytes:
    *first, last = varint(tag)
    return bytes([*first, last | 0x80, 0x80, 0])


@pytest.mark.parametrize("encoded", [beyond_32_bits, beyond_64_bits, overlong])
@pytest.mark.parametrize(("kind", "number"), LOOKED_AT)
@pytest.mark.parametrize("wire", [0, 2])
def test_a_tag_that_other_parsers_read_as_another_field_is_refused(
    encoded: Callable[[int], bytes], kind: str, number: int, wire: int
) -> None:
    hidden = encoded(number << 3 | wire) + b"\0"
    for outer in reversed(PLACES[kind]):
        hidden = entry(outer, hidden)
    with pytest.raises(DataError, match="it is not a valid ONNX file"):
        require_harmless_onnx(model().SerializeToString() + hidden, "network.onnx")


@pytest.mark.parametrize("wire", [0, 2])
def test_a_field_without_a_number_is_refused(wire: int) -> None:
    with pytest.raises(DataError, match="it is not a valid ONNX file"):
        require_harmless_onnx(model().SerializeToString() + bytes([wire, 0]), "network.onnx")


@pytest.mark.parametrize("value", [1, 2**32 + 1, 2**64 - 1])
@pytest.mark.parametrize("last", [b"", varint(DATA_LOCATION << 3) + b"\0"])
def test_each_location_of_a_tensor_is_looked_at_whole(value: int, last: bytes) -> None:
    location = varint(DATA_LOCATION << 3) + varint(value) + last
    hidden = entry(7, entry(5, location))
    with pytest.raises(DataError, match="in another file"):
        require_harmless_onnx(model().SerializeToString() + hidden, "network.onnx")


def test_the_field_numbers_are_those_of_onnx() -> None:
    for kind, fields in SUB_MESSAGES.items():
        descriptor = getattr(onnx, kind).DESCRIPTOR
        known = {one.number: one for one in descriptor.fields}
        for number, inner in fields.items():
            assert known[number].message_type.name == inner
        for number in FORBIDDEN.get(kind, {}):
            assert known[number].message_type is not None
    assert onnx.NodeProto.DESCRIPTOR.fields_by_name["op_type"].number == OP_TYPE
    assert onnx.NodeProto.DESCRIPTOR.fields_by_name["domain"].number == DOMAIN
    location = onnx.TensorProto.DESCRIPTOR.fields_by_name["data_location"]
    assert location.number == DATA_LOCATION


def test_every_way_to_a_tensor_or_a_graph_is_walked_or_forbidden() -> None:
    """A field that a later version of ONNX adds, and that leads to one, fails here."""
    leading = {"TensorProto", "SparseTensorProto", "GraphProto", "NodeProto", "AttributeProto"}
    for kind, fields in SUB_MESSAGES.items():
        for one in getattr(onnx, kind).DESCRIPTOR.fields:
            if one.message_type is not None and one.message_type.name in leading:
                assert one.number in fields or one.number in FORBIDDEN.get(kind, {}), one.full_name


def test_nothing_is_read_from_beside_the_file(tmp_path: Path) -> None:
    """What the check is for: the runtime itself would read the other file."""
    found = model()
    points_elsewhere(found.graph.initializer[0])
    found.graph.initializer[0].external_data[0].value = "secret.bin"
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    with pytest.raises(DataError, match="in another file"):
        require_harmless_onnx(found.SerializeToString(), "network.onnx")
