"""How the processes that ``torchrun`` starts find each other, their devices and their run."""

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch.distributed import (  # type: ignore[attr-defined]
    PrefixStore,
    Store,
    TCPStore,
    rendezvous,
)

from facesim.errors import FacesimError

_MEETING_SECONDS = 600.0
"""In which all processes import what they need, from whatever disk."""

_BETWEEN_LOOKS = 0.05

_ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def is_launched() -> bool:
    """Whether this process was started by ``torchrun``, or by what does the same."""
    return all(name in os.environ for name in _ENVIRONMENT) and os.environ["WORLD_SIZE"] != "1"


@dataclass(frozen=True)
class Member:
    """A process of a group.

    Attributes:
        host: the name of its machine.
        cuda_devices: that it sees there.
        key: unlike that of any other process, also of one that had its rank before.
    """

    host: str
    cuda_devices: int
    key: str


def shared_store() -> Store:
    """The store that ``torchrun`` keeps for all processes, also over restarts.

    Raises:
        RuntimeError: it cannot be reached.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store, _, _ = next(iter(rendezvous("env://", rank, size)))
    return PrefixStore("facesim", store)


def meet_members(store: Store) -> tuple[Store, tuple[Member, ...]]:
    """Wait for the other processes; returns the keys of this attempt alone, and who takes part.

    torchrun keeps the store when it starts processes again, and each host counts the attempts by
    itself. So the main process names the attempt, and another one takes part where the main
    process lists what it has just said.

    Raises:
        RuntimeError: some do not come, or the store cannot be reached.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    own = Member(socket.gethostname(), torch.cuda.device_count(), uuid.uuid4().hex)
    deadline = time.monotonic() + _MEETING_SECONDS
    if rank == 0:
        store.set("attempt", own.key)
    while time.monotonic() < deadline:  # not in one long wait, which no signal would end
        if store.check(["attempt"]):
            ours = PrefixStore(store.get("attempt").decode(), store)
            ours.set(f"came/{rank}", json.dumps(asdict(own)))
            came = [f"came/{other}" for other in range(size)]
            if rank == 0 and ours.check(came):
                ours.set("members", json.dumps([json.loads(ours.get(each)) for each in came]))
            if ours.check(["members"]):
                members = tuple(Member(**each) for each in json.loads(ours.get("members")))
                if own in members:
                    return ours, members
        time.sleep(_BETWEEN_LOOKS)
    raise RuntimeError(f"some have not come within {_MEETING_SECONDS:.0f} seconds")


def own_device(asked: str) -> torch.device:
    """The device of this process among several, by its number on its host; of ``device:``.

    It becomes the current device of CUDA. A run on the CPU touches no CUDA device.

    Raises:
        FacesimError: it has none of its own.
    """
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if asked == "mps":
        raise FacesimError("device: mps cannot be used by several processes; write cpu")
    if asked not in ("auto", "cuda"):
        raise FacesimError(
            f"device: {asked} is one device, and each of several processes takes its own; "
            "write cuda"
        )
    number, found = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    host = socket.gethostname()
    if not found:
        raise FacesimError(f"device: {asked} is not there on {host}; write auto or cpu")
    if number >= found:
        raise FacesimError(
            f"device: {asked} gives each process a CUDA device of its own, and process "
            f"{number + 1} on {host} finds {found}; start at most {found} there, or write "
            "`device: cpu`"
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def require_cuda(members: Iterable[Member]) -> None:
    """Return if every process sees a CUDA device.

    Raises:
        FacesimError: some would compute on another kind of device.
    """
    lacking = sorted({member.host for member in members if not member.cuda_devices})
    if lacking:
        raise FacesimError(
            f"some processes compute on CUDA, and {', '.join(lacking)} has no CUDA device; write "
            "`device: cpu`, or use machines of one kind"
        )


def run_of_launch() -> Path | None:
    """The run on which the processes worked before ``torchrun --max-restarts`` started them again.

    None at the first attempt, and where this machine does not see the run.
    """
    if not _may_restart():
        return None
    store = shared_store()
    path = Path(store.get("run").decode()) if store.check(["run"]) else None
    return path if path is not None and path.is_dir() else None


def remember_run(path: Path) -> None:
    """Let a later attempt of this launch find the run directory that this one works on."""
    if _may_restart():
        shared_store().set("run", str(path.resolve()))


def _may_restart() -> bool:
    return os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0"


def loopback_only() -> dict[str, str]:
    """Environment variables by which the processes of this machine talk by its loopback interface.

    Otherwise gloo binds to the address of the host's name, which need not lead anywhere.
    """
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    return {"GLOO_SOCKET_IFNAME": names[0]} if names else {}


@dataclass(frozen=True)
class LocalGroup:
    """A group whose processes this one starts, all on this machine, without ``torchrun``.

    Attributes:
        size: their number.
        store: by which they meet; kept for as long as they run.
    """

    size: int
    store: TCPStore = field(
        default_factory=lambda: TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    )

    def environment(self, rank: int) -> dict[str, str]:
        """Environment variables of the process of this rank, which it joins the group by."""
        return {
            **loopback_only(),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(self.size),
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(self.store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is there already
        }
