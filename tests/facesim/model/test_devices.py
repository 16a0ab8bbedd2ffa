import ctypes
import sys
from pathlib import Path

import pytest
import torch

from facesim.model.devices import keeping_freed_memory

MEGABYTES = 64


def page_faults_of_a_tensor() -> int:
    """How many pages the system maps for a tensor that is written and freed."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(MEGABYTES * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(
    sys.platform == "win32" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"),
    reason="other C libraries are left as they are",
)
def test_freed_memory_is_used_again_inside_the_block_and_given_back_behind_it() -> None:
    mapped_anew = page_faults_of_a_tensor()
    with keeping_freed_memory():
        faults = [page_faults_of_a_tensor() for _ in range(30)]
    assert mapped_anew > 0
    assert sum(faults) < mapped_anew * 10  # small ones in between hold up the first few
    before = _resident_pages()
    with keeping_freed_memory():
        for _ in range(5):
            page_faults_of_a_tensor()
    assert _resident_pages() - before < mapped_anew / 2
