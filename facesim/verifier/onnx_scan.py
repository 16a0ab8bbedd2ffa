"""What an ONNX file of somebody else may hold, checked before anything loads it.

The file is walked as the protocol buffer that it is, by the field numbers of ``onnx.proto``, which
never change. Refused are tensors in other files, operators that are not ONNX's own, functions and
sub-graphs (loops, and calls that multiply), and training.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facesim.errors import DataError

MOST_NODES = 50_000
_MOST_FIELDS = 5_000_000

_ONNX_DOMAINS = ("", "ai.onnx")
_QUANTIZED_DOMAIN = "com.microsoft"
_QUANTIZED = re.compile(r"QLinear[A-Za-z]+|DynamicQuantizeMatMul|MatMulIntegerToFloat|QGemm")
_WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10
_TAG_BITS = 32
_IN_THE_FILE = 0

SUB_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        10: "TensorProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
"""The fields that are walked, by the message that they are in and their number."""

FORBIDDEN: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {20: "it holds a training graph", 25: "it defines functions of its own"},
    "AttributeProto": {
        6: "an operator holds a graph of its own (If, Loop, Scan)",
        11: "an operator holds graphs of its own",
    },
    "TensorProto": {13: "a tensor's data are in another file"},
}
"""The fields that are refused, and why."""

OP_TYPE, DOMAIN, DATA_LOCATION = 4, 7, 14
"""Numbers of fields of ``NodeProto`` and ``TensorProto``."""


def require_harmless_onnx(content: bytes, place: str) -> None:
    """Raise unless an ONNX file holds only itself: tensors, and operators of ONNX.

    Args:
        content: of the file.
        place: its name, for messages.

    Raises:
        DataError: it does not, or it is no ONNX file.
    """
    scan = _Scan(place)
    scan.walk(memoryview(content), "ModelProto")
    if not scan.nodes:
        raise scan.refusal("it holds no network")


@dataclass
class _Scan:
    place: str
    nodes: int = 0
    fields: int = 0

    def refusal(self, reason: str) -> DataError:
        return DataError(f"{self.place}: refused before loading: {reason}")

    def walk(self, message: memoryview, kind: str) -> None:
        forbidden, inner = FORBIDDEN.get(kind, {}), SUB_MESSAGES[kind]
        op_type, domain = "", ""
        for number, value in self._fields(message):
            if number in forbidden:
                raise self.refusal(forbidden[number])
            if number in inner:
                if not isinstance(value, memoryview):
                    raise self.refusal("it is not a valid ONNX file")
                self.walk(value, inner[number])
            elif kind == "NodeProto" and number in (OP_TYPE, DOMAIN):
                text = self._text(value)
                op_type, domain = (text, domain) if number == OP_TYPE else (op_type, text)
            elif (kind, number) == ("TensorProto", DATA_LOCATION) and value != _IN_THE_FILE:
                raise self.refusal("a tensor's data are in another file")
        if kind == "NodeProto":
            self._judge(op_type, domain)

    def _judge(self, op_type: str, domain: str) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.refusal(f"it has more than {MOST_NODES:,} operators")
        known = domain in _ONNX_DOMAINS and op_type not in _WITH_GRAPHS
        if not known and not (domain == _QUANTIZED_DOMAIN and _QUANTIZED.fullmatch(op_type)):
            named = f"{domain}.{op_type}" if domain else op_type
            raise self.refusal(f"the operator {named[:100]!r} is not one that a pack may use")

    def _text(self, value: int | memoryview) -> str:
        if not isinstance(value, memoryview):
            raise self.refusal("it is not a valid ONNX file")
        return bytes(value[:1000]).decode("utf-8", "replace")

    def _fields(self, message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Number and value of each field of a message."""
        at, end = 0, len(message)
        while at < end:
            self.fields += 1
            if self.fields > _MOST_FIELDS:
                raise self.refusal(f"it has more than {_MOST_FIELDS:,} entries")
            begin = at
            key, at = self._varint(message, begin)
            number, wire = key >> 3, key & 7
            # Parsers keep 32 bits of a tag, and differ on longer encodings: it may be another field
            # to them.
            if not number or key >> _TAG_BITS or (at - begin > 1 and not message[at - 1]):
                raise self.refusal("it is not a valid ONNX file")
            value: int | memoryview
            if wire == _VARINT:
                value, at = self._varint(message, at)
            elif wire == _BYTES or wire in _SIZES:
                size = _SIZES.get(wire, 0)
                if wire == _BYTES:
                    size, at = self._varint(message, at)
                if size > end - at:
                    raise self.refusal("it is damaged: an entry goes beyond the end")
                value, at = message[at : at + size], at + size
            else:
                raise self.refusal("it is not a valid ONNX file")
            yield number, value

    def _varint(self, message: memoryview, at: int) -> tuple[int, int]:
        value = 0
        for position, byte in enumerate(message[at : at + _LONGEST_VARINT]):
            value |= (byte & 0x7F) << 7 * position
            if byte < 0x80:
                return value, at + position + 1
        raise self.refusal("it is not a valid ONNX file")
