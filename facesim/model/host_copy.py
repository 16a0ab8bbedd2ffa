"""Copies from an accelerator that do not stop it."""

import torch
from torch import Tensor


class HostCopy:
    """A tensor on its way to the CPU's memory, while the device goes on computing.

    On CUDA the copy has a stream of its own, so that the kernels that are started afterwards do not
    wait for it. On the CPU there is nothing to copy.

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
        stream = _copy_stream(self._tensor.device)
        with torch.cuda.stream(stream):
            stream.wait_event(self._computed)
            copied = torch.empty(self._tensor.shape, dtype=self._tensor.dtype, pin_memory=True)
            copied.copy_(self._tensor, non_blocking=True)
        stream.synchronize()
        return copied


_streams: dict[torch.device, torch.cuda.Stream] = {}


def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _streams[device]
