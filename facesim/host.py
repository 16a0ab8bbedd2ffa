"""This host as torchrun and several processes would use it: cores, backends, interfaces."""

import os
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

_SIOCGIFADDR = 0x8915  # of Linux

_TORCHRUN_VARIABLES = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE"),
    *("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"),
    *("TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS"),
)


@dataclass(frozen=True)
class Interface:
    """A network interface; its IPv4 address is None where it has none, or none can be found out."""

    name: str
    address: str | None = None

    def __str__(self) -> str:
        return self.name if self.address is None else f"{self.address} ({self.name})"


@dataclass(frozen=True)
class HostStatus:
    """What torchrun would find here.

    Attributes:
        cores: of the CPU that this process may use.
        threads: of each of several processes; None if OMP_NUM_THREADS does not say, where torchrun
            takes 1.
        backends: of torch.distributed, those that can be used; nccl needs a CUDA device.
        name: the host's.
        addresses: what its name resolves to.
        gloo: what the backend gloo binds to.
        nccl: from which interfaces nccl chooses; empty if it cannot be used.
        torchrun: the variables that torchrun sets, where they are set.
        problems: what keeps processes from finding each other, and what to set.
    """

    cores: int
    threads: str | None
    backends: tuple[str, ...]
    name: str
    addresses: tuple[str, ...]
    gloo: tuple[Interface, ...]
    nccl: tuple[Interface, ...]
    torchrun: dict[str, str]
    problems: tuple[str, ...]


def examine_host() -> HostStatus:
    """Examine this host; binds a socket for a moment, and sends nothing."""
    import torch
    import torch.distributed as dist

    built = ("gloo", "nccl", "mpi") if dist.is_available() else ()
    backends = [name for name in built if getattr(dist, f"is_{name}_available")()]
    if not torch.cuda.is_available() and "nccl" in backends:
        backends.remove("nccl")
    name, interfaces = socket.gethostname(), network_interfaces()
    addresses = _resolved(name)
    gloo, gloo_problem = gloo_binding(name, addresses, interfaces)
    nccl, nccl_problem = nccl_choice(interfaces) if "nccl" in backends else ((), None)
    return HostStatus(
        cores=available_cores(),
        threads=os.environ.get("OMP_NUM_THREADS"),
        backends=tuple(backends),
        name=name,
        addresses=addresses,
        gloo=gloo,
        nccl=nccl,
        torchrun={key: os.environ[key] for key in _TORCHRUN_VARIABLES if key in os.environ},
        problems=tuple(filter(None, (gloo_problem, nccl_problem))),
    )


def network_interfaces() -> tuple[Interface, ...]:
    """All interfaces of this host; their addresses on Linux only."""
    return tuple(Interface(name, _address(name)) for _, name in socket.if_nameindex())


def gloo_binding(
    host: str, addresses: Sequence[str], interfaces: Sequence[Interface]
) -> tuple[tuple[Interface, ...], str | None]:
    """What gloo binds to, by the rules of torch, and what is wrong with it for several hosts.

    GLOO_SOCKET_IFNAME names interfaces. Without it, it is the first address of the host's name
    that can be bound to, and loopback where there is none.

    Args:
        host: the host's name.
        addresses: what that resolves to.
        interfaces: all of this host.
    """
    asked = os.environ.get("GLOO_SOCKET_IFNAME", "")
    reachable = [it for it in interfaces if it.address and not _is_loopback(it.address)]
    if asked:
        by_name = {interface.name: interface for interface in interfaces}
        unknown = [name for name in asked.split(",") if name not in by_name]
        if unknown:
            wrong = f"GLOO_SOCKET_IFNAME: this host has no interface {', '.join(unknown)}"
            return (), f"{wrong}; it has {', '.join(by_name)}"
        return tuple(by_name[name] for name in asked.split(",")), None
    bound = next(filter(_can_be_bound_to, addresses), "127.0.0.1")
    binding = next(
        (it for it in interfaces if it.address == bound), Interface("no interface", bound)
    )
    if not _is_loopback(bound):
        return (binding,), None
    found = f"resolves to {', '.join(addresses)}" if addresses else "does not resolve"
    example = f"={reachable[0].name}, the interface of {reachable[0].address}," if reachable else ""
    return (binding,), (
        f"the host name {host} {found}, so that gloo binds to loopback, which other hosts cannot "
        f"reach; to use several, set GLOO_SOCKET_IFNAME{example} or give {host} its address in "
        "/etc/hosts"
    )


def nccl_choice(interfaces: Sequence[Interface]) -> tuple[tuple[Interface, ...], str | None]:
    """The interfaces from which nccl chooses, and what is wrong with NCCL_SOCKET_IFNAME.

    That is a list of prefixes, of names after ``=``, or of what to leave out after ``^``; without
    it, loopback and docker's interfaces are left out.
    """
    asked = os.environ.get("NCCL_SOCKET_IFNAME", "") or "^lo,docker"
    names = asked.removeprefix("^").removeprefix("=").split(",")
    exact = asked.removeprefix("^").startswith("=")
    chosen = tuple(
        interface
        for interface in ([it for it in interfaces if it.address] or interfaces)
        if any(
            interface.name == name if exact else interface.name.startswith(name) for name in names
        )
        != asked.startswith("^")
    )
    if chosen or "NCCL_SOCKET_IFNAME" not in os.environ:
        return chosen, None
    known = ", ".join(interface.name for interface in interfaces)
    return (), f"NCCL_SOCKET_IFNAME={asked} leaves no interface of this host, which has {known}"


def available_cores() -> int:
    """The number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _resolved(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _can_be_bound_to(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.bind((address, 0))
    except OSError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


def _address(interface: str) -> str | None:
    if sys.platform != "linux":
        return None
    import fcntl

    request = struct.pack("256s", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        try:
            answer = fcntl.ioctl(connection.fileno(), _SIOCGIFADDR, request)
        except OSError:  # it has none
            return None
    return socket.inet_ntoa(answer[20:24])
