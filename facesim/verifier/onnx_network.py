"""The network and the score of a pack in ONNX, run by onnxruntime on the CPU."""

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from facesim.arrays import Float32Array, UInt8Array
from facesim.errors import DataError, FacesimError
from facesim.verifier.onnx_scan import require_harmless_onnx

ONNX_BYTES = 2**31 - 1
"""A protocol buffer has no more."""

_MEMORY_BYTES = 4 * 2**30
_IMAGES = 16
_LARGEST = 1e15
_BLOCK_BYTES = 2**24


class OnnxNetwork:
    """Pixels -> embeddings.

    Args:
        content: of ``network.onnx``.
        what: the file's name, for messages.

    Raises:
        DataError: it holds what a pack may not hold, or is no such network.
        FacesimError: onnxruntime is not installed.
    """

    def __init__(self, content: bytes, what: str) -> None:
        self._session = _Session(content, what, {"pixels": ("tensor(uint8)", 4)}, "embeddings", 2)

    def run(self, pixels: UInt8Array) -> Float32Array:
        """Embeddings float32 [N, D] of images in RGB, uint8 [N, 3, H, W], a few images at a time.

        Raises:
            DataError: the network fails, or its embeddings are not finite, or 1e15 and more.
        """
        found = [
            self._session.run({"pixels": np.ascontiguousarray(pixels[begin : begin + _IMAGES])})
            for begin in range(0, len(pixels), _IMAGES)
        ]
        embeddings = np.concatenate(found)
        # The square of a longer one has no float32, so that its scores would mean nothing.
        if not (np.abs(embeddings) < _LARGEST).all():
            raise DataError(f"{self._session.what}: an embedding is not finite, or huge")
        return embeddings


class OnnxScore:
    """Two embeddings -> score; arguments and exceptions as :class:`OnnxNetwork`."""

    def __init__(self, content: bytes, what: str) -> None:
        sides = {"a": ("tensor(float)", 2), "b": ("tensor(float)", 2)}
        self._session = _Session(content, what, sides, "scores", 1)

    def run(self, a: Float32Array, b: Float32Array) -> Float32Array:
        """Scores float32 [P] of each row of ``a`` [P, D] with the same row of ``b`` [P, D].

        Raises:
            DataError: the score fails, or is not finite.
        """
        scores = np.empty(len(a), dtype=np.float32)
        step = max(1, _BLOCK_BYTES // (4 * max(1, a.shape[1])))
        for begin in range(0, len(a), step):
            end = begin + step
            sides = {
                "a": np.ascontiguousarray(a[begin:end]),
                "b": np.ascontiguousarray(b[begin:end]),
            }
            scores[begin:end] = self._session.run(sides)
        if not np.isfinite(scores).all():
            raise DataError(f"{self._session.what}: a score is not finite")
        return scores


class _Session:
    """A session of onnxruntime whose inputs and output are as they must be.

    It gets the bytes that were checked, not a path that may lead to others by now.
    """

    def __init__(
        self,
        content: bytes,
        what: str,
        inputs: dict[str, tuple[str, int]],
        output: str,
        output_rank: int,
    ) -> None:
        self.what = what
        self._output, self._output_rank = output, output_rank
        require_harmless_onnx(content, what)
        runtime = _onnxruntime()
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise DataError(f"{what}: cannot be loaded: {_in_one_line(error)}") from error
        found = {one.name: (one.type, len(one.shape)) for one in self._session.get_inputs()}
        if found != inputs:
            raise DataError(f"{what}: its inputs are {_listed(found)}, not {_listed(inputs)}")
        outputs = {one.name: one.type for one in self._session.get_outputs()}
        if outputs != {output: "tensor(float)"}:
            raise DataError(f"{what}: it must have one output, {output!r}, tensor(float)")

    def run(self, inputs: dict[str, Any]) -> Float32Array:
        try:
            [found] = self._session.run([self._output], inputs)
        except Exception as error:
            raise DataError(f"{self.what}: cannot be run: {_in_one_line(error)}") from error
        result = np.asarray(found, dtype=np.float32)
        rows = len(next(iter(inputs.values())))
        if result.ndim != self._output_rank or len(result) != rows:
            raise DataError(f"{self.what}: for {rows} rows its output has the shape {result.shape}")
        return result


@cache
def _onnxruntime() -> Any:
    """The module, whose sessions share a limit of memory from now on."""
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise FacesimError(
            f"onnxruntime, which runs a pack, cannot be imported ({error}); "
            "pip install 'facesim[verify]'"
        ) from error
    memory = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    limits = runtime.OrtArenaCfg({"max_mem": _MEMORY_BYTES})
    runtime.create_and_register_allocator(memory, limits)
    return runtime


def runtime_name() -> str:
    """What runs packs, with its version: ``onnxruntime 1.22.0``.

    Raises:
        FacesimError: it is not installed.
    """
    return f"onnxruntime {_onnxruntime().__version__}"


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _listed(inputs: dict[str, tuple[str, int]]) -> str:
    shown = [f"{name[:50]} {kind} of rank {rank}" for name, (kind, rank) in inputs.items()]
    return ", ".join(shown[:4]) or "none"
