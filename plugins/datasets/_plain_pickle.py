"""A pickle of plain data, read without unpickling it: nothing that it names is ever called."""

import mmap
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, cast

from facesim import DataError

MAX_BYTES = 2 * 2**30
MAX_OPCODES = 5_000_000
"""A picture takes two or three; a small file could make many times its size of empty lists."""

_MOST_DIMENSIONS = 4

_INTEGERS = frozenset(("INT", "BININT", "BININT1", "BININT2", "LONG1"))
_BYTES = frozenset(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"))
_TEXT = frozenset(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"))
_PUSH_ARGUMENT = _INTEGERS | _BYTES | _TEXT
_PUSH_LATIN1 = frozenset(("BINSTRING", "SHORT_BINSTRING"))
"""Bytes as Python 2 wrote them."""

_PUSH_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GET = frozenset(("GET", "BINGET", "LONG_BINGET"))
_NOTHING_TO_DO = frozenset(("PROTO", "FRAME", "STOP"))

_NUMPY_CORES = ("numpy.core", "numpy._core")
_BYTES_OF_TEXT = "_codecs.encode"
_DTYPE = "numpy.dtype"
_ARRAY = "numpy.ndarray"
_EMPTY_ARRAY = frozenset(f"{core}.multiarray._reconstruct" for core in _NUMPY_CORES)
_ARRAY_OF_BYTES = frozenset(f"{core}.numeric._frombuffer" for core in _NUMPY_CORES)
_NAMES = frozenset((_BYTES_OF_TEXT, _DTYPE, _ARRAY)) | _EMPTY_ARRAY | _ARRAY_OF_BYTES


@dataclass
class Uint8Array:
    """A numpy array of bytes.

    Attributes:
        content: its bytes, in the order of memory.
    """

    content: bytes = b""


@dataclass(frozen=True)
class _Name:
    """A name that an array's pickle needs. It stands for itself and is never looked up."""

    dotted: str


class _Uint8:
    """The only type of numbers that an array may have."""


class _RefusedError(Exception):
    """What a pickle of plain data does not hold."""


def read_plain_pickle(path: Path) -> Any:
    """Read lists, tuples, bytes, bools, ints, text and arrays of uint8, and nothing else.

    The opcodes are decoded by `pickletools`, which runs none of them, and followed here. Of the
    names that a pickle could call only those that numpy writes for an array of uint8 are
    understood, and their work is done here; any other name, opcode or type of numbers is refused.
    Memory is bounded by the file's size and :data:`MAX_OPCODES`. A list may hold itself, so that
    the caller must look at types before it follows anything.

    Returns:
        The object, in which a :class:`Uint8Array` stands for an array.

    Raises:
        DataError: the file cannot be read, is too large, damaged, or holds anything else.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes; {MAX_BYTES:,} are allowed")
        if not size:
            raise DataError(f"{path}: it is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _run(path, data, size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _run(path: Path, data: mmap.mmap, size: int) -> Any:
    machine, position = _Machine(size), 0
    try:
        for opcode, argument, at in pickletools.genops(cast(IO[bytes], data)):
            position = at or 0
            machine.step(opcode.name, argument)
        return machine.result()
    except _RefusedError as refusal:
        raise DataError(
            f"{path}: refused at byte {position:,}: {refusal}. Nothing of the file was run; it "
            "must be a pickle of lists, bytes, truth values and arrays of uint8"
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: damaged, or no pickle at all, from byte {position:,} on: {error}"
        ) from None


class _Machine:
    """Follows the opcodes of a pickle.

    Args:
        size: of the file; no more bytes than that are made out of text.
    """

    def __init__(self, size: int) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._may_encode = size
        self._opcodes = 0

    def step(self, opcode: str, argument: Any) -> None:
        """Do what one opcode says."""
        self._opcodes += 1
        if self._opcodes > MAX_OPCODES:
            raise _RefusedError(f"more than {MAX_OPCODES:,} instructions")
        stack = self._stack
        if opcode in _PUSH_ARGUMENT:
            # Once, here: a copy of an array of bytes wherever it is used would fill the memory.
            stack.append(bytes(argument) if type(argument) is bytearray else argument)
        elif opcode in _PUSH_LATIN1:
            stack.append(argument.encode("latin-1"))
        elif opcode in _PUSH_NEW:
            stack.append(_PUSH_NEW[opcode]())
        elif opcode == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif opcode in _PUT:
            self._memo[argument] = stack[-1]
        elif opcode in _GET:
            stack.append(self._memo[argument])
        elif opcode in _TUPLES:
            stack.append(tuple(reversed([stack.pop() for _ in range(_TUPLES[opcode])])))
        elif opcode not in _NOTHING_TO_DO:
            self._gather_or_build(opcode, argument)

    def result(self) -> Any:
        """The one object that is left."""
        (result,) = self._stack
        return result

    def _gather_or_build(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode == "MARK":
            self._marks.append(len(stack))
        elif opcode == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif opcode == "LIST":
            stack.append(self._since_mark())
        elif opcode == "APPEND":
            item = stack.pop()
            self._list().append(item)
        elif opcode == "APPENDS":
            items = self._since_mark()
            self._list().extend(items)
        elif opcode == "GLOBAL":
            module, _, name = argument.partition(" ")
            stack.append(_name(module, name))
        elif opcode == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(_name(module, name))
        elif opcode == "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            stack.append(self._reduced(called, arguments))
        elif opcode == "BUILD":
            state = stack.pop()
            _set_state(stack[-1], state)
        else:
            raise _RefusedError(f"the instruction {opcode}")

    def _since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _list(self) -> list[Any]:
        if type(self._stack[-1]) is not list:
            raise _RefusedError("something is appended to what is no list")
        found: list[Any] = self._stack[-1]
        return found

    def _reduced(self, called: Any, arguments: Any) -> Any:
        if not isinstance(called, _Name) or type(arguments) is not tuple:
            raise _RefusedError("a call of what is no name")
        if called.dotted == _BYTES_OF_TEXT and arguments[1:] == ("latin1",):
            return self._encoded(arguments[0])
        if called.dotted == _DTYPE and arguments[0] in ("u1", "|u1"):
            return _Uint8()
        if called.dotted in _EMPTY_ARRAY and arguments[0] == _Name(_ARRAY):
            return Uint8Array()
        if called.dotted in _ARRAY_OF_BYTES:
            content, dtype, shape, *_ = arguments
            return _array(Uint8Array(), content, dtype, shape)
        raise _RefusedError(f"{called.dotted} with other arguments than for an array of uint8")

    def _encoded(self, text: str) -> bytes:
        """Text that stands for bytes, each of it once: repeated, it would fill the memory."""
        self._may_encode -= len(text)
        if self._may_encode < 0:
            raise _RefusedError("more bytes than the file has")
        return text.encode("latin-1")


def _name(module: Any, name: Any) -> _Name:
    if type(module) is not str or type(name) is not str:
        raise _RefusedError("a name that is no text")
    if f"{module}.{name}" not in _NAMES:
        raise _RefusedError(f"the name {module[:50]}.{name[:50]}")
    return _Name(f"{module}.{name}")


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, _Uint8) and type(state) is tuple:
        return  # the order of bytes, and of fields that it has not
    if not isinstance(target, Uint8Array):
        raise _RefusedError("a state of what is no array")
    _version, shape, dtype, _order, content = state
    _array(target, content, dtype, shape)


def _array(array: Uint8Array, content: Any, dtype: Any, shape: Any) -> Uint8Array:
    if not isinstance(dtype, _Uint8):
        raise _RefusedError("an array of other numbers than uint8")
    if type(content) is not bytes or not _fits(shape, len(content)):
        raise _RefusedError("an array whose shape is not that of its bytes")
    array.content = content
    return array


def _fits(shape: Any, size: int) -> bool:
    return (
        type(shape) is tuple
        and len(shape) <= _MOST_DIMENSIONS
        and all(type(length) is int and 0 <= length <= size for length in shape)
        and prod(shape) == size
    )
