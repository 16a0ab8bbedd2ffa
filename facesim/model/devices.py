"""Which device a run uses, and how long the CPU's memory is kept."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from facesim.errors import FacesimError
from facesim.rendezvous import is_launched, own_device


def pick_device(name: str) -> torch.device:
    """The device of an experiment's ``device:``; ``auto`` takes CUDA, then mps, then the CPU.

    Each of several processes has a CUDA device of its own.

    Raises:
        FacesimError: the named device is not there, or not for this process.
    """
    if is_launched():
        return own_device(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise FacesimError(f"device: {name} is not there ({found} CUDA devices); write auto or cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise FacesimError("device: mps is not there; write auto or cpu")
    return device


def available_devices() -> tuple[torch.device, ...]:
    """Every device that an experiment may name: the CPU, each CUDA device, mps."""
    cuda = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    mps = [torch.device("mps")] if torch.backends.mps.is_available() else []
    return (torch.device("cpu"), *cuda, *mps)


def describe_device(device: torch.device) -> str:
    """The device's name for people, ``cpu (2 threads)`` or ``cuda:0 (NVIDIA ...)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Let the memory of freed tensors be used again by later ones, instead of going back at once.

    glibc maps each tensor above 32 MB anew and unmaps it when it is freed, so that a training step
    spends a tenth of its time on page faults. Behind the block everything goes back. Other C
    libraries are left as they are, and so are results.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 65536)
        # Both grow up to this by themselves, but no longer once one of them has been set.
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        libc.malloc_trim(0)
