"""Deterministic algorithms, and settings that nothing else changes: a run repeats bit for bit."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils import deterministic as memory


@contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """Use deterministic algorithms inside the block; the previous setting is restored.

    An operation that has none warns once and runs anyway.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fills = memory.fill_uninitialized_memory  # type: ignore[attr-defined]
    if enabled:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at the first CUDA call
        _use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _use_deterministic_algorithms(before, warn_only=warn_only)
        memory.fill_uninitialized_memory = fills  # type: ignore[attr-defined]


def _use_deterministic_algorithms(mode: bool, *, warn_only: bool) -> None:
    """As torch's own function, which imports the compiler to tell it: over a second of a start."""
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = str(int(mode))  # read when it is imported later
    if "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
    else:
        torch._C._set_deterministic_algorithms(mode, warn_only=warn_only)  # noqa: SLF001


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back, behind the block, what code that only watches may change for the whole process.

    The states of the random generators of Python, NumPy and torch; whether gradients are recorded
    and anomalies looked for, the default type of numbers and the default device, the number of
    threads, the precision of matrix products, cuDNN's settings, and whether algorithms are
    deterministic.
    """
    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002  the global one
    # Only where CUDA is in use: asking would begin to use it, on every GPU. Steps seed all anyway.
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = [torch.cuda.current_device()] if in_use else []
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    recorded, watched = torch.is_grad_enabled(), torch.is_anomaly_enabled()
    device, precision = torch.get_default_device(), torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    settings = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "allow_tf32")}
    with torch.random.fork_rng(devices), deterministic(enabled=False):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)  # noqa: NPY002
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(recorded)
            torch.autograd.set_detect_anomaly(watched)
            if torch.get_default_device() != device:
                torch.set_default_device(device)
            torch.set_float32_matmul_precision(precision)
            for name, value in settings.items():
                setattr(cudnn, name, value)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
