"""What a plugin does as one of several processes, found out in one process."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from facesim.testing.contract import CheckImpossibleError, require

EMBEDDINGS = "the embeddings"
"""The name of a batch's embeddings in an outcome."""

OWN_IMAGES = (
    "each process computes its own images: call nothing of torch.distributed, and write BatchNorm "
    "for SyncBatchNorm; the engine merges running statistics in the order of the shards"
)
"""The hint for a module that looks at the images of other processes."""

_SIZE = 3
_BACKEND = "facesim_one_of_several"

_COLLECTIVES = {
    "_allgather_base": "all_gather_into_tensor",
    "_reduce_scatter_base": "reduce_scatter_tensor",
    "all_gather_single": "all_gather_into_tensor",
    "all_gather_single_coalesced": "all_gather_into_tensor",
    "all_to_all_single": "all_to_all_single",
    "allgather": "all_gather",
    "allgather_coalesced": "all_gather_coalesced",
    "allgather_into_tensor_coalesced": "all_gather_into_tensor",
    "allreduce": "all_reduce",
    "allreduce_coalesced": "all_reduce_coalesced",
    "alltoall": "all_to_all",
    "alltoall_base": "all_to_all_single",
    "barrier": "barrier",
    "broadcast": "broadcast",
    "gather": "gather",
    "gather_into_tensor": "gather_into_tensor",
    "gather_single": "gather_into_tensor",
    "monitored_barrier": "monitored_barrier",
    "recv": "recv",
    "recv_anysource": "recv",
    "reduce": "reduce",
    "reduce_scatter": "reduce_scatter",
    "reduce_scatter_single": "reduce_scatter_tensor",
    "reduce_scatter_single_coalesced": "reduce_scatter_tensor",
    "reduce_scatter_tensor_coalesced": "reduce_scatter_tensor",
    "scatter": "scatter",
    "send": "send",
}
"""Methods of `torch.distributed.ProcessGroup`, of torch 2.6 or later, and the functions that call
them."""


def require_same_on_every_process(outcome: Callable[[], dict[str, Tensor]], what: str) -> None:
    """Require that a plugin does the same bits, and calls no collective, as one of several.

    Args:
        outcome: what the plugin computes, by what it is; a function of torch's generator alone.
        what: from what it is computed, for the message.

    Raises:
        CheckImpossibleError: this process is in a process group already.
    """
    alone = outcome()
    for rank in (0, _SIZE - 1):
        place = f"as process {rank} of {_SIZE}, with {what},"
        observed = ""
        with one_of_several(rank, _SIZE) as called:
            try:
                observed = difference_of_outcomes(alone, outcome())
            except Exception:
                if not called:
                    raise
        require(not called, f"{place} it calls torch.distributed.{''.join(called[:1])}")
        require(not observed, f"{place} {observed}")


def difference_of_outcomes(expected: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    """How the first value that is not the same bits differs; empty if all are the same."""
    for name in [*expected, *(found.keys() - expected.keys())]:
        if name not in found or name not in expected:
            return f"there is {'no' if name in expected else 'also'} {name}"
        a, b = expected[name].nan_to_num(), found[name].nan_to_num()
        if torch.equal(a, b):
            continue
        if a.shape != b.shape:
            return f"{name} has shape {list(b.shape)} and not {list(a.shape)}"
        for factor, changed in ((_SIZE, "multiplied"), (1 / _SIZE, "divided")):
            if a.is_floating_point() and torch.allclose(b, a * factor):
                return f"{name} is {changed} by the number of processes"
        if name.endswith(EMBEDDINGS):
            without = (b == 0).all(1) & (a != 0).any(1)
            if without.any() and torch.equal(a[~without], b[~without]):
                rows = ", ".join(map(str, without.nonzero().flatten().tolist()))
                return f"images {rows} of the batch have no gradient, as if detached"
        return f"{name} differs by up to {(a.double() - b.double()).abs().max():.2g}"
    return ""


@contextmanager
def one_of_several(rank: int, size: int) -> Iterator[list[str]]:
    """Make this process one of several, as a plugin sees it, and list the collectives it calls.

    `torch.distributed` is initialised without a network, and torchrun's environment variables are
    set. There are no other processes, so a collective raises RuntimeError. Afterwards everything
    is as it was.

    Raises:
        CheckImpossibleError: this process is in a process group already.
    """
    if dist.is_available() and dist.is_initialized():
        raise CheckImpossibleError(
            f"this process is process {dist.get_rank()} of {dist.get_world_size()} in a process "
            "group of torch.distributed, and the kit checks plugins in one of its own; run it "
            "without torchrun, or after torch.distributed.destroy_process_group()"
        )
    rank_and_size = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    environment = {name: str(value) for name, value in rank_and_size.items()}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment))
        called: list[str] = []
        if dist.is_available():
            called = _register_backend()
            called.clear()
            # Initialising a group sets a hook of torch's own, which destroying the group leaves.
            stack.enter_context(mock.patch.object(sys, "excepthook", sys.excepthook))
            stack.callback(_end_group)
            store = dist.HashStore()  # type: ignore[attr-defined]
            dist.init_process_group(_BACKEND, rank=rank, world_size=size, store=store)
        yield called


def _end_group() -> None:
    if dist.is_initialized():  # the plugin may have ended it
        dist.destroy_process_group()


@cache
def _register_backend() -> list[str]:
    """Register a backend that refuses each collective; returns the list where it writes them."""
    called: list[str] = []

    class OneOfSeveral(dist.ProcessGroup):
        """One process of several, alone."""

        def __init__(self, _store: object, rank: int, size: int, _timeout: object) -> None:
            super().__init__(rank, size)  # type: ignore[call-arg, unused-ignore]

    def refused(collective: str) -> Callable[..., None]:
        def call(*_: object, **__: object) -> None:
            called.append(collective)
            raise RuntimeError(f"torch.distributed.{collective} was called")

        return call

    for method, collective in _COLLECTIVES.items():
        setattr(OneOfSeveral, method, refused(collective))
    dist.Backend.register_backend(_BACKEND, OneOfSeveral, devices=["cpu"])
    return called
