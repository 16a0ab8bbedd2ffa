"""A pickle is read without anything in it being run, and refused if it would run anything."""

import io
import pickle
import pickletools
import struct
import tracemalloc
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim import DataError
from facesim_plugins.datasets import _restricted_pickle
from facesim_plugins.datasets._restricted_pickle import Uint8Array, read_restricted_pickle


def written(folder: Path, content: bytes) -> Path:
    path = folder / "set.bin"
    path.write_bytes(content)
    return path


def read(folder: Path, content: bytes) -> Any:
    return read_restricted_pickle(written(folder, content))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_comes_back(tmp_path: Path, protocol: int) -> None:
    data = ([b"a", b"\x00\xff" * 300], [True, False], 7, -70000, (1, (2,), (3, 4, 5, 6)), None)
    assert read(tmp_path, pickle.dumps(data, protocol)) == data


def test_an_array_of_bytes_comes_back_as_bytes(tmp_path: Path) -> None:
    assert read(tmp_path, pickle.dumps([bytearray(b"abc")], 5)) == [b"abc"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(6,), (1, 6)])
def test_arrays_of_uint8_come_back(tmp_path: Path, protocol: int, shape: tuple[int, ...]) -> None:
    size = int(np.prod(shape))
    array = np.arange(250, 250 + size, dtype=np.uint16).astype(np.uint8).reshape(shape)
    first, again, text = read(tmp_path, pickle.dumps([array, array, "x"], protocol))
    assert isinstance(first, Uint8Array)
    assert first.content == array.tobytes()
    assert again is first
    assert text == "x"


def test_what_python_2_wrote_comes_back(tmp_path: Path) -> None:
    """``cPickle.dumps(([b"\\xff\\xd8", b"ab"], [True]), 2)`` of Python 2.7."""
    text = b"\x80\x02]q\x01(U\x02\xff\xd8q\x02U\x02abq\x03e]q\x04\x88a\x86q\x05."
    assert read(tmp_path, text) == ([b"\xff\xd8", b"ab"], [True])


class Marker:
    """Reduces to a call that leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


class Setter:
    def __reduce__(self) -> tuple[Any, ...]:
        return Setter, (), {"state": 1}


def gadgets(ran: Path) -> dict[str, bytes]:
    name = str(ran).encode()
    touch = b"touch " + name
    text = b"X" + struct.pack("<I", len(touch)) + touch
    short = b"\x8c\x05posix\x8c\x06system"
    return {
        "reduce, protocol 2": pickle.dumps(([b"a"], Marker(ran)), 2),
        "reduce, protocol 4": pickle.dumps(([b"a"], Marker(ran)), 4),
        "global": b"cposix\nsystem\n(" + text + b"tR.",
        "stack_global": b"\x80\x04" + short + b"\x93(" + text + b"tR.",
        "stack_global of no text": b"\x80\x04]]\x93(" + text + b"tR.",
        "inst": b"(" + text + b"iposix\nsystem\n.",
        "obj": b"(cposix\nsystem\n" + text + b"o.",
        "newobj": b"\x80\x02cbuiltins\nopen\n" + text + b"\x85\x81.",
        "newobj_ex": b"\x80\x04cbuiltins\nopen\n" + text + b"\x85}\x92.",
        "build": pickle.dumps(Setter(), 2),
        "build of a list": b"\x80\x02]}b.",
        "persistent id": b"P" + name + b"\n.",
        "extension": b"\x80\x02\x82\x01.",
        "dictionary": pickle.dumps({"a": 1}),
        "set": pickle.dumps({1}),
        "float": pickle.dumps(1.5),
        "reduce of a list": b"\x80\x02])R.",
        "eval in encode's place": b"\x80\x02cbuiltins\neval\n" + text + b"\x85R.",
        "encode with another codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00"
        b"\x00rot13\x86R.",
        "reconstruct of another class": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
        b"c_codecs\nencode\nK\x00\x85C\x01b\x87R.",
        "append to a tuple": b"\x80\x02)K\x01a.",
        "numpy array of objects": pickle.dumps(np.array([Marker(ran)], dtype=object), 2),
        "numpy array of objects, protocol 5": pickle.dumps(np.array([[]], dtype=object), 5),
        "numpy array of floats": pickle.dumps(np.zeros(3), 2),
        "numpy array of floats, protocol 5": pickle.dumps(np.zeros(3), 5),
        "numpy scalar": pickle.dumps(np.uint8(1)),
        "array without its type": pickle.dumps(np.zeros(3, np.uint8), 2).replace(b"u1", b"O8"),
    }


@pytest.mark.parametrize("name", sorted(gadgets(Path("ran"))))
def test_anything_else_is_refused_and_not_run(tmp_path: Path, name: str) -> None:
    ran = tmp_path / "ran"
    with pytest.raises(DataError, match=r"set\.bin: refused: .* Nothing in the file was run"):
        read(tmp_path, gadgets(ran)[name])
    assert not ran.exists()


def test_the_gadgets_would_have_run(tmp_path: Path) -> None:
    """The test above would be worth nothing if they were harmless."""
    ran = tmp_path / "ran"
    for name in ("reduce, protocol 2", "global", "inst", "stack_global", "numpy array of objects"):
        pickle.load(io.BytesIO(gadgets(ran)[name]))
        assert ran.exists(), name
        ran.unlink()


def bombs() -> dict[str, bytes]:
    huge = struct.pack("<Q", 2**40)
    return {
        "memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "memo, as text": b"Np2000000000\n.",
        "bytes": b"\x80\x04\x8e" + huge + b"a.",
        "bytearray": b"\x80\x05\x96" + huge + b"a.",
        "text": b"\x80\x04\x8d" + huge + b"a.",
        "frame": b"\x80\x04\x95" + huge + b"N.",
        "long": b"\x80\x02\x8b\xff\xff\xff\x7f1.",
        "shape": pickle.dumps(np.zeros(3, np.uint8), 4).replace(b"K\x03", b"J\xff\xff\xff\x7f"),
        "no end": b"\x80\x02]",
        "mark missing": b"\x80\x02]e.",
        "stack empty": b"\x80\x02a.",
        "no pickle": b"\xff\xd8\xff\xe0 JPEG",
        "text file": b"hello\n",
    }


@pytest.mark.parametrize("name", sorted(bombs()))
def test_a_damaged_file_is_refused_without_taking_memory(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, bombs()[name])
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"set\.bin: refused"):
            read_restricted_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_refused_instruction_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the instruction EMPTY_DICT at byte 2"):
        read(tmp_path, b"\x80\x02}.")


def test_text_that_is_made_into_bytes_again_and_again_is_refused(tmp_path: Path) -> None:
    long = b"x" * 5000
    text = b"X" + struct.pack("<I", len(long)) + long
    call = b"h\x00h\x01h\x02\x86R"
    content = b"\x80\x02c_codecs\nencode\nq\x00" + text + b"q\x01X\x06\x00\x00\x00latin1q\x02"
    with pytest.raises(DataError, match="more bytes than the file has"):
        read(tmp_path, content + call * 3 + b".")


def test_too_many_instructions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_restricted_pickle, "MAX_OPCODES", 1000)
    with pytest.raises(DataError, match="more than 1,000 instructions"):
        read(tmp_path, b"\x80\x02" + b"]" * 999 + b".")
    assert read(tmp_path, b"\x80\x02" + b"]" * 998 + b".") == []


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _restricted_pickle.MAX_BYTES == 2**31
    content = pickle.dumps(b"abc", 3)
    monkeypatch.setattr(_restricted_pickle, "MAX_BYTES", len(content))
    assert read(tmp_path, content) == b"abc"
    monkeypatch.setattr(_restricted_pickle, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="11 bytes; at most 10 are read"):
        read(tmp_path, b"x" * 11)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((6,), True),
        ((1, 2, 3, 1), True),
        ((1, 1, 2, 3, 1), False),
        ((5,), False),
        ((7,), False),
        ((2, 2), False),
        ((-1, -6), False),
        ((True, 6), False),
        ([6], False),
        (6, False),
    ],
)
def test_an_array_has_the_shape_of_its_bytes(shape: Any, fits: bool) -> None:
    array = Uint8Array()
    uint8 = _restricted_pickle._Uint8("u1", False, True)
    with nullcontext() if fits else pytest.raises(pickle.UnpicklingError, match="shape is not"):
        array.__setstate__((1, shape, uint8, False, b"abcdef"))
        assert array.content == b"abcdef"


@pytest.mark.parametrize("content", ["abc", None, [97]])
def test_an_array_is_made_of_bytes(content: Any) -> None:
    uint8 = _restricted_pickle._Uint8("u1", False, True)
    with pytest.raises(pickle.UnpicklingError, match="shape is not that of its bytes"):
        Uint8Array().__setstate__((1, (3,), uint8, False, content))


def test_a_missing_and_an_empty_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.bin: cannot be read"):
        read_restricted_pickle(tmp_path / "nothing.bin")
    with pytest.raises(DataError, match=r"set\.bin: the file is empty"):
        read(tmp_path, b"")


def test_every_opcode_is_either_understood_or_refused(tmp_path: Path) -> None:
    """None of them, with whatever stands behind it, ends in another error."""
    for opcode in pickletools.opcodes:
        for tail in (b"", b"\x01.", b"a\nb\n.", b"\x00" * 9 + b"."):
            content = b"\x80\x02(]K\x01)" + opcode.code.encode("latin-1") + tail
            with suppress(DataError):
                read(tmp_path, content)


def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path: Path) -> None:
    """Whatever the change, it ends in no other error and takes no more memory than the file."""
    generator = np.random.default_rng(0)
    whole = [
        pickle.dumps(([b"abc", np.zeros(3, np.uint8)], [True, False]), protocol)
        for protocol in (2, 4, 5)
    ]
    tracemalloc.start()
    try:
        for number in range(1000):
            content = bytearray(whole[number % len(whole)])
            for place in generator.integers(len(content), size=generator.integers(1, 4)):
                content[place] = generator.integers(256)
            with suppress(DataError):
                read(tmp_path, bytes(content))
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
