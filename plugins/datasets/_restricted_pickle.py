"""Unpickling of untrusted files that hold lists, bytes, booleans and uint8 arrays only."""

import mmap
import pickle
import pickletools
from math import prod
from pathlib import Path
from typing import IO, Any, cast

from facesim import DataError

MAX_BYTES = 2 * 2**30
MAX_OPCODES = 5_000_000
"""An image takes two or three; a small file could make many times its size of empty lists."""

_PLAIN_DATA = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 BINSTRING SHORT_BINSTRING
    BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST LIST APPEND APPENDS
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET
"""
_ARRAYS = "GLOBAL STACK_GLOBAL REDUCE BUILD"
_OPCODES = frozenset(f"{_PLAIN_DATA} {_ARRAYS}".split())
_PUT = ("PUT", "BINPUT", "LONG_BINPUT")


def read_restricted_pickle(path: Path) -> Any:
    """Read lists, tuples, bytes, bools, ints, text and arrays of uint8, and nothing else.

    Memory is bounded by the file's size and :data:`MAX_OPCODES`. A list may contain itself, so
    that the caller must look at types before it follows anything.

    Returns:
        The object, in which a :class:`Uint8Array` stands for an array.

    Raises:
        DataError: the file cannot be read, is too large, damaged, or holds anything else.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes; at most {MAX_BYTES:,} are read")
        if not size:
            raise DataError(f"{path}: the file is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_opcodes(data)
            data.seek(0)
            return _Unpickler(data, size).load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (
        pickle.UnpicklingError,
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
    ) as error:
        raise DataError(
            f"{path}: refused: {error}. Nothing in the file was run; it must be a pickle of lists, "
            "bytes, booleans and arrays of uint8"
        ) from None


class Uint8Array:
    """Stands for a numpy array of uint8, whose constructor would allocate any shape it is given.

    Attributes:
        content: the array's bytes, in the order of memory.
    """

    content: bytes | bytearray = b""

    def __setstate__(self, state: Any) -> None:
        """Take what numpy pickles: ``(version, shape, dtype, is_fortran, content)``."""
        _version, shape, dtype, _is_fortran, content = state
        if not isinstance(dtype, _Uint8):
            raise pickle.UnpicklingError("an array of another type than uint8")
        if not isinstance(content, bytes | bytearray) or not _fits(shape, len(content)):
            raise pickle.UnpicklingError("an array whose shape is not that of its bytes")
        self.content = content


class _Uint8:
    """Stands for ``numpy.dtype("uint8")``."""

    def __init__(self, name: Any, _align: Any, _copy: Any) -> None:
        if name not in ("u1", "|u1"):
            raise pickle.UnpicklingError("an array of another type than uint8")

    def __setstate__(self, state: Any) -> None:
        """Byte order and fields, of which bytes have neither."""


def _empty_array(subtype: Any, _shape: Any, _type: Any) -> Uint8Array:
    """Stands for ``numpy.core.multiarray._reconstruct``."""
    if subtype is not Uint8Array:
        raise pickle.UnpicklingError("an array of another class than numpy.ndarray")
    return Uint8Array()


def _array_of_buffer(content: Any, dtype: Any, shape: Any, _order: Any) -> Uint8Array:
    """Stands for ``numpy.core.numeric._frombuffer``."""
    array = Uint8Array()
    array.__setstate__((1, shape, dtype, False, content))
    return array


_STAND_INS = {
    "numpy.dtype": _Uint8,
    "numpy.ndarray": Uint8Array,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy.core.numeric._frombuffer": _array_of_buffer,
    "numpy._core.numeric._frombuffer": _array_of_buffer,
}


class _Unpickler(pickle.Unpickler):
    """Knows no name but those that numpy writes for uint8 arrays, and none of them is imported.

    Args:
        data: a pickle of whatever protocol.
        size: of the file; no more bytes than that are made out of text.
    """

    def __init__(self, data: mmap.mmap, size: int) -> None:
        # As bytes are what Python 2 wrote for its images.
        super().__init__(data, fix_imports=False, encoding="bytes")
        self._may_encode = size

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name."""
        dotted = f"{module}.{name}"
        if dotted == "_codecs.encode":
            return self._encode
        if dotted not in _STAND_INS:
            raise pickle.UnpicklingError(f"the name {dotted[:100]!r}")
        return _STAND_INS[dotted]

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """How protocol 2 writes bytes; each text counts, since one may be encoded many times."""
        if type(text) is not str or encoding != "latin1":
            raise pickle.UnpicklingError("_codecs.encode of something other than bytes as latin1")
        self._may_encode -= len(text)
        if self._may_encode < 0:
            raise pickle.UnpicklingError("more bytes than the file has")
        return text.encode("latin-1")


def _check_opcodes(data: mmap.mmap) -> None:
    """Raise UnpicklingError or ValueError before anything of a pickle is executed.

    ``find_class`` keeps a file from running code, but not from asking for more memory than there
    is: by a length that no bytes follow, by one large index of the memo, which C's unpickler keeps
    in an array, or by millions of empty lists.
    """
    opcodes = pickletools.genops(cast(IO[bytes], data))
    for count, (opcode, argument, position) in enumerate(opcodes, start=1):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"the instruction {opcode.name} at byte {position}")
        if count > MAX_OPCODES:
            raise pickle.UnpicklingError(f"more than {MAX_OPCODES:,} instructions")
        if opcode.name in _PUT and cast(int, argument) > count:
            raise pickle.UnpicklingError(f"the memo index {argument} at byte {position}")


def _fits(shape: Any, size: int) -> bool:
    return (
        type(shape) is tuple
        and len(shape) <= 4
        and all(type(length) is int and 0 <= length <= size for length in shape)
        and prod(shape) == size
    )
