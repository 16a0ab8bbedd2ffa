"""What of a host matters to several processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from facesim.host import (
    Interface,
    examine_host,
    gloo_binding,
    nccl_choice,
    network_interfaces,
)

LO, ETH0, IB0, DOCKER0 = (
    Interface("lo", "127.0.0.1"),
    Interface("eth0", "192.0.2.2"),
    Interface("ib0", "198.51.100.7"),
    Interface("docker0", "203.0.113.1"),
)
ALL = (LO, ETH0, IB0, DOCKER0)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "OMP_NUM_THREADS", "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of documentation can be bound to, as if they were those of this host."""
    monkeypatch.setattr(
        "facesim.host._can_be_bound_to", lambda address: address in {it.address for it in ALL}
    )


@pytest.mark.usefixtures("own_addresses")
def test_gloo_binds_to_the_first_address_of_the_host_s_name_that_is_its_own() -> None:
    assert gloo_binding("node-1", ["192.0.2.99", "192.0.2.2"], ALL) == ((ETH0,), None)


@pytest.mark.parametrize(
    ("addresses", "found"),
    [(["127.0.0.1"], "resolves to 127.0.0.1"), (["::1"], "resolves to ::1"), ([], "does not res")],
)
def test_a_name_that_leads_to_loopback_is_told_with_what_to_set(
    addresses: list[str], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesim.host._can_be_bound_to", lambda _: True)
    (bound,), problem = gloo_binding("node-1", addresses, ALL)
    assert bound.address in {"127.0.0.1", "::1"}
    assert problem is not None
    assert problem.startswith(f"the host name node-1 {found}")
    assert "other hosts cannot reach" in problem
    assert "GLOO_SOCKET_IFNAME=eth0, the interface of 192.0.2.2, or give node-1" in problem


def test_without_another_interface_none_is_proposed() -> None:
    _, problem = gloo_binding("node-1", [], [LO])
    assert problem is not None
    assert "set GLOO_SOCKET_IFNAME or give node-1 its address in /etc/hosts" in problem


def test_gloo_binds_to_the_interfaces_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0,eth0")
    assert gloo_binding("node-1", ["127.0.0.1"], ALL) == ((IB0, ETH0), None)


def test_an_interface_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth1")
    assert gloo_binding("node-1", ["192.0.2.2"], [LO, ETH0]) == (
        (),
        "GLOO_SOCKET_IFNAME: this host has no interface eth1; it has lo, eth0",
    )


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (None, [ETH0, IB0]),
        ("eth", [ETH0]),
        ("=eth0,ib0", [ETH0, IB0]),
        ("^docker,lo,eth", [IB0]),
        ("^=eth0", [LO, IB0, DOCKER0]),
    ],
)
def test_nccl_chooses_by_its_rules(
    asked: str | None, chosen: list[Interface], monkeypatch: pytest.MonkeyPatch
) -> None:
    if asked is not None:
        monkeypatch.setenv("NCCL_SOCKET_IFNAME", asked)
    assert nccl_choice(ALL) == (tuple(chosen), None)


def test_an_nccl_variable_that_leaves_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "=ib1")
    assert nccl_choice([LO, ETH0]) == (
        (),
        "NCCL_SOCKET_IFNAME==ib1 leaves no interface of this host, which has lo, eth0",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="addresses of interfaces: on Linux only")
def test_interfaces_have_their_addresses() -> None:
    loopback = [it for it in network_interfaces() if it.address == "127.0.0.1"]
    assert [str(it) for it in loopback] == ["127.0.0.1 (lo)"]


def test_this_host_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("RANK", "1")
    host = examine_host()
    assert host.name == socket.gethostname()
    assert 1 <= host.cores <= (os.cpu_count() or 1)
    assert host.threads == "3"
    assert host.torchrun["RANK"] == "1"
    assert ("nccl" in host.backends) <= torch.cuda.is_available()
    assert host.gloo or host.problems


def test_gloo_really_listens_where_it_is_said_to(tmp_path: Path) -> None:
    """A process group of two, each of which tells the other its address through a file."""
    (bound,) = examine_host().gloo
    if bound.address is None or ":" in bound.address:
        pytest.skip("the interface has no IPv4 address")
    program = (
        "import sys, torch.distributed as dist\n"
        "dist.init_process_group('gloo', init_method=sys.argv[1], rank=int(sys.argv[2]),"
        " world_size=2)\n"
    )
    shared = tmp_path / "rendezvous"
    arguments = [sys.executable, "-c", program, shared.as_uri()]
    environment = {k: v for k, v in os.environ.items() if k != "GLOO_SOCKET_IFNAME"}
    both = [subprocess.Popen([*arguments, str(rank)], env=environment) for rank in (0, 1)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert socket.inet_aton(bound.address) in shared.read_bytes()
