"""Engines that run an exported copy of the trunk, BatchNorm folded into its convolutions."""

import copy
import threading
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.interfaces import Backbone
from facesim.model.cache_admin import EngineName
from facesim.model.onnx_export import innermost_reason, to_onnx
from facesim.model.trunk_engine import TrunkEngine, block_on, padded

Precision = Literal["float32", "bfloat16"]

_FORMAT = 1
"""Increase when an engine would give other bits with the same packages."""


class FoldedEngine(TrunkEngine):
    """Makes its copy of the trunk on first use; until then it costs nothing.

    Args:
        backbone: on the device where the trunk runs; its weights are copied as they are when it is
            run first.
        image_size: H and W.
        precision: in which the trunk computes.
    """

    def __init__(
        self, backbone: Backbone, image_size: tuple[int, int], precision: Precision = "float32"
    ) -> None:
        super().__init__(backbone, block_on(backbone.mean.device))
        self.versions = f"{self.name} {_FORMAT} {self._packages()}"
        self._image_size = image_size
        self._precision = precision
        self._compute: Callable[[Tensor], Tensor] | None = None
        self._making = threading.Lock()

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Itself: copies of a network share what was made of their frozen trunk."""
        return self

    @staticmethod
    @abstractmethod
    def _packages() -> str:
        """The packages that decide its rounding, with their versions."""

    @abstractmethod
    def _make(self, trunk: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        """The function from a block of images to their output.

        Args:
            trunk: uint8 images -> output, the normalisation included.
            images: an example of a block.
        """

    def prepare(self) -> Callable[[Tensor], Tensor]:
        """Make the copy, if it is not there yet.

        Returns:
            What computes the output of a block.

        Raises:
            FacesimError: the trunk cannot be exported.
        """
        with self._making:
            if self._compute is None:
                self._compute = self._made()
            return self._compute

    def _run_block(self, images: Tensor) -> Tensor:
        return (self._compute or self.prepare())(images)

    def _made(self) -> Callable[[Tensor], Tensor]:
        block = torch.zeros(self.block, 3, *self._image_size, dtype=torch.uint8)
        block = block.to(self.device).contiguous(memory_format=torch.channels_last)
        trunk = _Trunk(self.backbone, self._precision).eval()
        try:
            with (
                torch.inference_mode(mode=False),
                torch.no_grad(),
                torch.autocast(self.device.type, enabled=False),
                torch.random.fork_rng(devices=[]),
            ):
                return self._make(trunk, block)
        except FacesimError as error:
            raise FacesimError(f"{self.name} cannot run the trunk: it {error}") from error
        except Exception as error:  # of any kind: a trunk may do anything
            reason = innermost_reason(error)
            raise FacesimError(
                f"{self.name} cannot run the trunk: it cannot be exported: {reason}"
            ) from error


class CompiledEngine(FoldedEngine):
    """Compiled by torch's inductor with the weights as constants, under autocast where asked."""

    name: EngineName = "compiled"

    @staticmethod
    def _packages() -> str:
        return f"torch {torch.__version__}"

    def _make(self, trunk: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        inductor = import_module("torch._inductor")  # takes a second
        try:
            # Of a copy, because what is not folded is not copied by the compiler.
            exported = torch.export.export(copy.deepcopy(trunk), (images,), strict=False).module()
            compiled = inductor.compile(exported, [images], options={"freezing": True})
            compiled(images)
        except Exception as error:
            raise FacesimError(f"cannot be compiled: {innermost_reason(error)}") from error
        return partial(self._compiled, compiled)

    def _compiled(self, compute: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        # Its own autocast is compiled in; the caller's would change the operators it calls.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            return compute(images)


_PART = 4
"""Images that one thread of ONNX Runtime computes at a time. Threads that share the operators of a
block wait for each other at each of them: they need a seventh more processor time, and more where
another thread keeps a core busy. Parts of 4 images need no more than parts of 32."""


class OnnxRuntimeEngine(FoldedEngine):
    """Run by ONNX Runtime, in float32 on the CPU; threads share the images of a block."""

    name: EngineName = "onnxruntime"
    passes_ahead = 1  # a thread that is through with its part of one begins the next

    def start(self, images: Tensor, pool: Executor) -> Callable[[], Tensor]:
        """Start a pass, whose parts are computed behind those of the passes before."""
        compute, count = self._compute or self.prepare(), len(images)
        wait = cast("_Session", compute).start(padded(images, self.block), pool)
        return lambda: wait()[:count]

    @staticmethod
    def _packages() -> str:
        names = ("onnxruntime", "onnxscript", "torch")
        return " ".join(f"{name} {version(name)}" for name in names)

    def _make(self, trunk: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
        onnxruntime = import_module("onnxruntime")  # an extra

        # Channels last outside: what is inside of the runtime's own layout is transposed for free.
        rows = {"images": images[:_PART].permute(0, 2, 3, 1)}
        # Exported here: by itself torch.onnx would take one side of a branch for the only one.
        exported = torch.export.export(_ChannelsLast(trunk).eval(), (), rows, strict=False)
        model = to_onnx(exported, rows, "output")
        threads = torch.get_num_threads()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads * _PART // self.block)
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        # A thread that waits must not take the core of one that decodes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        [output] = session.get_outputs()
        if output.type != "tensor(float)" or not all(isinstance(n, int) for n in output.shape):
            raise FacesimError(f"returns {output.type} {output.shape}")
        return _Session(session, tuple(output.shape), threads)


class _Session:
    """A session of ONNX Runtime that computes a block in parts, each on one thread.

    Args:
        session: for parts of ``_PART`` images.
        shape: of a part's output.
        threads: that compute a block.
    """

    def __init__(self, session: Any, shape: tuple[int, ...], threads: int) -> None:
        self._session = session
        self._shape = shape
        self._threads = threads

    def __call__(self, images: Tensor) -> Tensor:
        with ThreadPoolExecutor(self._threads, thread_name_prefix="facesim-trunk") as pool:
            return self.start(images, pool)()

    def start(self, images: Tensor, pool: Executor) -> Callable[[], Tensor]:
        """Compute a block on a pool; returns what waits for its output."""
        pixels = images.permute(0, 2, 3, 1).numpy()
        output = torch.empty((len(images), *self._shape[1:]))

        def run(start: int) -> None:
            part = output[start : start + _PART]
            binding = self._session.io_binding()
            binding.bind_cpu_input("images", pixels[start : start + _PART])
            binding.bind_output("output", "cpu", 0, np.float32, self._shape, part.data_ptr())
            self._session.run_with_iobinding(binding)

        parts = [pool.submit(run, start) for start in range(0, len(images), _PART)]

        def wait() -> Tensor:
            for part in parts:
                part.result()
            return output.permute(0, 3, 1, 2) if output.ndim == 4 else output

        return wait


ENGINES: dict[EngineName, type[FoldedEngine]] = {
    "onnxruntime": OnnxRuntimeEngine,
    "compiled": CompiledEngine,
}
"""By name, the one that is made fastest first."""


def why_unavailable(
    name: EngineName, device: torch.device, precision: Precision = "float32"
) -> str | None:
    """Why an engine cannot run any trunk on this machine; None if it can. Compiles nothing."""
    if name == "eager":
        return None
    if name == "compiled":
        return why_not_compiled(device)
    if device.type != "cpu":
        return "it runs on the CPU only"
    if precision != "float32":
        return f"it does not compute in {precision}"
    missing = [name for name in ("onnxruntime", "onnx", "onnxscript") if not _is_installed(name)]
    if missing:
        return f'it needs the package {missing[0]}: pip install "facesim[onnxruntime]"'
    return None


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it was tried before, and is not there
        return False


def why_not_compiled(device: torch.device) -> str | None:
    """Why torch can compile nothing for a device; None if it can. Compiles nothing."""
    from torch._inductor import cpp_builder, exc  # takes a second
    from torch.utils._triton import has_triton

    if device.type not in ("cpu", "cuda"):
        return f"it does not run on {device.type}"
    if device.type == "cuda" and not has_triton():
        return "it needs the package triton"
    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        return "it needs a C++ compiler: install g++, or let the variable CXX name one"
    return None


class _Trunk(nn.Module):
    """Uint8 images [B, 3, H, W] -> the trunk's output, normalisation and autocast included."""

    def __init__(self, backbone: Backbone, precision: Precision) -> None:
        super().__init__()
        self.trunk = backbone.trunk
        self.mean = backbone.mean
        self.std = backbone.std
        self.in_bfloat16 = precision == "bfloat16"

    def forward(self, images: Tensor) -> Tensor:
        normalised = (images.float() - self.mean) / self.std
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            output: Tensor = self.trunk(normalised)
        return output


class _ChannelsLast(nn.Module):
    """Uint8 images [B, H, W, 3] -> the trunk's output, feature maps as [B, H, W, C]."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.trunk(images.permute(0, 3, 1, 2))
        return output.permute(0, 2, 3, 1) if output.ndim == 4 else output
