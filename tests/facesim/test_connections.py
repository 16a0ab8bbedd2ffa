"""What exchanges tensors between processes, and how a collective operation is waited for."""

import atexit
import os
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch.distributed import HashStore  # type: ignore[attr-defined]

from facesim import connections
from facesim.connections import Connections, finish
from facesim.errors import FacesimError
from facesim.heartbeats import GroupFailedError, Heartbeats, RankFailure
from facesim.rendezvous import Member


class Operation:
    """A collective operation of nccl: ``wait`` lets the device wait, and returns at once."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.waited_at: list[int] = []

    def is_completed(self) -> bool:
        self.looks -= 1
        return self.looks <= 0

    def wait(self, timeout: timedelta) -> bool:
        self.waited_at.append(self.looks)
        return True


class Alive:
    """Heartbeats of processes that live for so many looks."""

    def __init__(self, looks: float = float("inf")) -> None:
        self.looks = looks

    def require_alive(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise GroupFailedError(RankFailure(1, "beta", "was killed"), 2, should_print=True)


def test_an_operation_of_a_device_has_finished_when_it_says_so() -> None:
    operation = Operation(looks=5)
    finish(operation, cast(Heartbeats, Alive()), waits=False)
    assert operation.waited_at == [0]


def test_an_operation_of_a_device_ends_with_the_death_of_a_process() -> None:
    with pytest.raises(GroupFailedError, match="process 1 of 2 on beta: was killed"):
        finish(Operation(looks=10**9), cast(Heartbeats, Alive(looks=3)), waits=False)


class Late:
    """A collective operation of gloo that completes just after a wait for it has timed out."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure

    def is_completed(self) -> bool:
        return True

    def wait(self, timeout: timedelta | None = None) -> bool:
        if timeout is not None:
            raise RuntimeError("Operation timed out!")
        if self.failure:
            raise RuntimeError(self.failure)
        return True


def test_an_operation_that_completes_as_the_wait_for_it_times_out_has_not_failed() -> None:
    finish(Late(), cast(Heartbeats, Alive()), waits=True)
    with pytest.raises(RuntimeError, match="Connection closed by peer"):
        finish(Late("Connection closed by peer"), cast(Heartbeats, Alive()), waits=True)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is set up, in order; nothing is, in truth."""
    order: list[str] = []
    monkeypatch.setattr(connections, "_gloo", lambda *_: order.append("gloo"))
    monkeypatch.setattr(connections, "_nccl", lambda device: order.append(f"nccl {device}"))
    monkeypatch.setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")  # as torchrun does
    return order


def connections_of(*members: Member) -> Connections:
    return Connections(HashStore(), 0, members, cast(Heartbeats, Alive()))


ON_DEVICE = cast(torch.Tensor, SimpleNamespace(is_cuda=True, device=torch.device("cuda", 1)))


def test_nccl_is_set_up_by_the_first_tensor_on_a_device(connected: list[str]) -> None:
    between = connections_of(Member("alpha", 2, "1"), Member("alpha", 2, "2"))
    assert between.of(torch.zeros(1)) is None
    assert connected == ["gloo"]  # also where there are devices, which `device: cpu` leaves alone
    between.of(ON_DEVICE)
    assert connected == ["gloo", "nccl cuda:1"]
    assert os.environ["TORCH_NCCL_ASYNC_ERROR_HANDLING"] == "0"


def test_nccl_waits_for_no_process_that_has_no_device(connected: list[str]) -> None:
    between = connections_of(Member("alpha", 2, "1"), Member("beta", 0, "2"))
    with pytest.raises(FacesimError, match="beta has no CUDA device"):
        between.of(ON_DEVICE)
    assert connected == ["gloo"]


def test_processes_that_do_not_reach_each_other_end_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocked = threading.Event()
    monkeypatch.setattr(connections, "_gloo", lambda *_: blocked.wait(10.0))
    monkeypatch.setattr(connections, "_CONNECTING_SECONDS", 0.1)
    heartbeats = Heartbeats(HashStore(), 0, ("alpha", "beta"))
    with pytest.raises(GroupFailedError, match="process 0 of 2 on alpha: does not reach all"):
        Connections(HashStore(), 0, (), heartbeats)
    atexit.unregister(os._exit)  # of this process, which has not ended
    blocked.set()
    heartbeats.close()
