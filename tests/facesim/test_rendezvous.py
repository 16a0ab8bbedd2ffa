"""How processes find each other, their devices and their run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from facesim.errors import FacesimError
from facesim.model.devices import pick_device
from facesim.rendezvous import (
    Member,
    is_launched,
    own_device,
    remember_run,
    require_cuda,
    run_of_launch,
)


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the variables of a process that torchrun has started."""

    def as_process(rank: int, size: int, **more: object) -> None:
        known = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": 0}
        for name, value in {**known, "MASTER_ADDR": "localhost", **more}.items():
            monkeypatch.setenv(name, str(value))

    return as_process


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[torch.device]]:
    """Lets torch find so many CUDA devices; returns those that are made the current one."""

    def find(count: int) -> list[torch.device]:
        taken: list[torch.device] = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", taken.append)
        return taken

    return find


def test_a_process_is_launched_if_torchrun_says_of_how_many(
    launch: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(0, 1)
    assert not is_launched()
    launch(0, 2)
    assert is_launched()
    monkeypatch.delenv("MASTER_PORT")
    assert not is_launched()


@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_each_process_takes_the_cuda_device_of_its_number(
    launch: Callable[..., None], devices: Callable[[int], list[torch.device]], asked: str
) -> None:
    launch(1, 2)
    taken = devices(2)
    assert pick_device(asked) == torch.device("cuda", 1)
    assert taken == [torch.device("cuda", 1)]


@pytest.mark.parametrize(("asked", "found"), [("cpu", 2), ("auto", 0)])
def test_on_the_cpu_no_device_is_taken(
    launch: Callable[..., None],
    devices: Callable[[int], list[torch.device]],
    asked: str,
    found: int,
) -> None:
    launch(1, 2)
    taken = devices(found)
    assert pick_device(asked) == torch.device("cpu")
    assert taken == []


@pytest.mark.parametrize(
    ("asked", "found", "told"),
    [
        ("mps", 0, "device: mps cannot be used by several processes; write cpu"),
        ("cuda:1", 2, "device: cuda:1 is one device, and each of several processes"),
        ("cuda", 2, "process 3 on .* finds 2; start at most 2 there, or write `device: cpu`"),
        ("auto", 2, "process 3 on .* finds 2; start at most 2 there, or write `device: cpu`"),
        ("cuda", 0, "device: cuda is not there"),
    ],
)
def test_a_device_that_a_process_cannot_have_to_itself_is_refused(
    launch: Callable[..., None],
    devices: Callable[[int], list[torch.device]],
    asked: str,
    found: int,
    told: str,
) -> None:
    launch(2, 4)
    taken = devices(found)
    with pytest.raises(FacesimError, match=told):
        own_device(asked)
    assert taken == []


def test_machines_with_and_without_cuda_do_not_wait_for_each_other() -> None:
    members = [Member("alpha", 2, "1"), Member("beta", 0, "2"), Member("gamma", 0, "3")]
    require_cuda(members[:1])
    with pytest.raises(FacesimError, match="beta, gamma has no CUDA device; write `device: cpu`"):
        require_cuda(members)


@pytest.fixture
def agent(launch: Callable[..., None]) -> TCPStore:
    """The store of a torchrun that starts processes again after a failure."""
    store = TCPStore("localhost", 0, is_master=True)
    more = {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_MAX_RESTARTS": 1}
    launch(0, 1, MASTER_PORT=store.port, **more)
    return store


@pytest.mark.usefixtures("agent")
def test_a_later_attempt_of_a_launch_finds_the_run_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_of_launch() is None
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    remember_run(Path("run"))
    assert run_of_launch() == tmp_path.resolve() / "run"
    Path("run").rmdir()  # as another machine sees it
    assert run_of_launch() is None


def test_a_launch_that_starts_nothing_again_remembers_nothing(
    launch: Callable[..., None], tmp_path: Path
) -> None:
    launch(0, 2, TORCHELASTIC_MAX_RESTARTS=0, MASTER_PORT=1)  # where no store answers
    remember_run(tmp_path)
    assert run_of_launch() is None
