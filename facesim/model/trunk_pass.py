"""Running a frozen trunk so that its output is as the cache stores it."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from facesim.errors import FacesimError
from facesim.model.trunk_engine import TrunkEngine
from facesim.model.trunk_key import TrunkRecipe


class TrunkPass:
    """Runs a trunk over blocks of images.

    Args:
        engine: runs the trunk.
        recipe: view and number types.

    Attributes:
        block: images in one pass.
        passes_ahead: how many may be under way when another one is started.
        dtype: in which the features are stored.
    """

    def __init__(self, engine: TrunkEngine, recipe: TrunkRecipe) -> None:
        self._engine = engine
        self._recipe = recipe
        self._device = engine.device
        self.block = engine.block
        self.passes_ahead = engine.passes_ahead
        self.dtype = torch.float16 if recipe.dtype == "float16" else torch.float32

    def row_shape(self) -> tuple[int, ...]:
        """The shape in which one image's features are stored, found by running the trunk on black.

        Raises:
            FacesimError: its output is not a tensor with a row for each image.
        """
        black = torch.zeros((2, 3, *self._recipe.preprocessing.size), dtype=torch.uint8)
        with torch.inference_mode():
            output: object = self._engine.backbone.run_trunk(black.to(self._device))
        if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != 2:
            raise FacesimError(
                "the trunk's output cannot be cached: it is not a tensor [B, ...] with a row for "
                "each image; write `trunk_cache: off`"
            )
        return tuple(to_rows(output).shape[1:])

    def pool(self) -> ThreadPoolExecutor:
        """Threads for :meth:`start`."""
        return ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="facesim-trunk")

    @torch.inference_mode()
    def start(self, images: Tensor, pool: Executor) -> "PendingFeatures":
        """Start a pass.

        Args:
            images: uint8 [B, 3, H, W] on the CPU, at most :attr:`block`.
            pool: of :meth:`pool`; where the engine computes on it, the pass may still be under way.
        """
        if len(images) > self.block:
            raise ValueError(f"{len(images)} images in a pass of {self.block}")
        images = images.to(self._device, non_blocking=True)
        if self._recipe.flipped:
            images = images.flip(3)
        autocast = self._recipe.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=autocast):
            output = self._engine.start(images, pool)
            return PendingFeatures(output, self.dtype, self._device)


_PIECE = 2**14
"""Numbers that are converted at a time. Torch shares more of them among threads, which hold up
those that train, run the trunk or decode; a thread that reads or writes is sooner done alone."""


class PendingFeatures:
    """Features that may still be being computed. Its methods may be called on any thread.

    On the CPU they are converted when they are asked for, so that the next pass begins at once.

    Args:
        output: waits for the trunk's output [B, ...].
        dtype: in which the features are stored.
        device: of the output.
    """

    def __init__(
        self, output: Callable[[], Tensor], dtype: torch.dtype, device: torch.device
    ) -> None:
        self._output = output
        self._dtype = dtype
        self._copies: tuple[_HostCopy, _HostCopy] | None = None
        if device.type != "cpu":
            rows = to_rows(output())
            low, high = rows.flatten(1).aminmax(dim=1)
            magnitudes = torch.maximum(-low, high).float()
            stored = rows.to(dtype)
            self._copies = _HostCopy(magnitudes), _HostCopy(stored)
            self._output = lambda: stored  # the output itself is large, and no longer needed

    def wait(self) -> None:
        """Return when the CPU has computed them; other devices are not waited for."""
        self._output()

    def magnitudes(self) -> Tensor:
        """The largest absolute value of each image's features, float32 [B] on the CPU."""
        if self._copies is not None:
            return self._copies[0].wait()
        values = converted(to_rows(self._output()), torch.float32).flatten(1).numpy()
        return torch.from_numpy(np.maximum(-values.min(axis=1), values.max(axis=1)))

    def rows(self) -> Tensor:
        """The features, on the CPU, as :func:`to_rows` gives them."""
        if self._copies is not None:
            return self._copies[1].wait()
        return converted(to_rows(self._output()), self._dtype)


def converted(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Contiguous rows on the CPU in another type, converted by the calling thread alone."""
    if rows.dtype == dtype:
        return rows
    result = torch.empty(rows.shape, dtype=dtype)
    # Torch converts float16 to bfloat16 one number at a time, and by way of float32 many at once.
    through = torch.float32 if dtype == torch.bfloat16 else rows.dtype
    pieces = (torch.split(each.view(-1), _PIECE) for each in (result, rows))
    for into, piece in zip(*pieces, strict=True):
        into.copy_(piece.to(through))
    return result


def to_rows(output: Tensor) -> Tensor:
    """The trunk's output as it is stored: feature maps channels last, as the tail reads fastest."""
    return (output.permute(0, 2, 3, 1) if output.ndim == 4 else output).contiguous()


def from_rows(rows: Tensor) -> Tensor:
    """The output of the trunk again: [B, C, H, W] for feature maps, channels last in memory."""
    return rows.permute(0, 3, 1, 2) if rows.ndim == 4 else rows


class _HostCopy:
    """An asynchronous copy of a tensor to the CPU's memory.

    On CUDA it runs on a stream of its own: when it is waited for, the kernels of the next batches
    are queued on the default stream already, and there the copy would come after them.

    Args:
        tensor: on any device; its computation may still be under way.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._computed: torch.cuda.Event | None = None
        if tensor.device.type == "cuda":
            self._computed = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._computed.record(torch.cuda.current_stream(tensor.device))

    def wait(self) -> Tensor:
        """The tensor in the CPU's memory; may be called on any thread."""
        if self._computed is None:
            return self._tensor.cpu()
        device = self._tensor.device
        if device not in _copy_streams:
            _copy_streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream = _copy_streams[device]
        with torch.cuda.stream(stream):
            stream.wait_event(self._computed)
            copied = torch.empty(self._tensor.shape, dtype=self._tensor.dtype, pin_memory=True)
            copied.copy_(self._tensor, non_blocking=True)
        stream.synchronize()
        return copied


_copy_streams: dict[torch.device, torch.cuda.Stream] = {}
