"""Which device a run uses."""

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
