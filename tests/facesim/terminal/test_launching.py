"""Several processes for one command: how they are started, and how they end together."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher import api

from facesim.errors import FacesimError
from facesim.heartbeats import GroupFailedError, RankFailure
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.terminal import launching
from facesim.terminal.launching import launch, together
from facesim.training.stop import Stopped


@dataclass(frozen=True)
class Group(Processes):
    """A process of two, which notes what it tells the other."""

    number: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def rank(self) -> int:
        return self.number

    @property
    def size(self) -> int:
        return 2

    def request(self, name: str, **values: Any) -> None:
        self.told.append(name)

    @property
    def heartbeats(self) -> Any:
        return SimpleNamespace(report=lambda message: self.told.append(f"failed: {message}"))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[str], BaseException | None]]:
    """What a process tells the other one, and raises, whose block ends with an error or none."""

    def leave(error: BaseException | None) -> None:
        if error is not None:
            raise error

    def run(
        rank: int,
        error: BaseException | None,
        count: int = 1,
        joining: BaseException | None = None,
    ) -> tuple[list[str], BaseException | None]:
        group = Group(number=rank)

        @contextmanager
        def joined(reporter: SilentReporter) -> Iterator[Group]:
            del reporter
            leave(joining)
            yield group

        monkeypatch.setattr(launching, "is_launched", lambda: True)
        monkeypatch.setattr(launching, "joined", joined)
        logger = logging.getLogger("facesim")
        monkeypatch.setattr(logger, "level", logger.level)  # set back, as are warnings
        try:
            with warnings.catch_warnings(), together(SilentReporter(), count) as processes:
                assert processes is group
                leave(error)
        except BaseException as raised:  # noqa: BLE001
            return group.told, raised
        return group.told, None

    return run


Ends = Callable[..., tuple[list[str], BaseException | None]]


def test_a_command_that_nobody_launched_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    reporter = SilentReporter()
    with together(reporter) as processes:
        assert (processes.size, processes.reporter) == (1, reporter)


def test_the_main_process_ends_the_others(ends: Ends) -> None:
    assert ends(0, None) == (["end"], None)
    assert ends(1, None) == ([], None)


def test_a_mistake_is_told_by_the_main_process_as_it_is_alone(ends: Ends) -> None:
    mistake = FacesimError("train.yaml:3:1: no such loss")
    told, raised = ends(0, mistake)
    assert told == ["failed: train.yaml:3:1: no such loss"]
    assert raised is mistake


def test_an_error_of_another_process_is_told_to_the_main_one_and_not_here(ends: Ends) -> None:
    told, raised = ends(1, FacesimError("data.val is not what the main process reads"))
    assert told == ["failed: data.val is not what the main process reads"]
    assert isinstance(raised, typer.Exit)
    assert raised.exit_code == 2


def test_an_error_of_the_main_process_s_machine_names_the_machine(ends: Ends) -> None:
    told, raised = ends(0, OSError(28, "No space left on device", "/runs/last.pt"))
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert isinstance(raised, FacesimError)
    assert str(raised).startswith(f"process 0 of 2 on {os.uname().nodename}: ")
    assert str(raised).endswith(told[0].removeprefix("failed: "))


@pytest.mark.parametrize("here", [True, False])
def test_the_failure_of_another_process_is_told_once(ends: Ends, here: bool) -> None:
    failed = GroupFailedError(RankFailure(1, "beta", "was killed"), 2, should_print=here)
    for told, raised in (ends(0, failed), ends(0, None, joining=failed)):
        assert told == []
        assert raised is failed if here else isinstance(raised, typer.Exit)


def test_another_number_than_torchrun_has_started_is_told_once(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ends(0, None, count=2) == (["end"], None)
    told, raised = ends(0, None, count=4)
    mistake = "--processes 4: torchrun has started 2; leave the option out"
    assert str(raised).startswith(mistake)
    assert told == [f"failed: {raised}"]
    assert isinstance(ends(1, None, count=4)[1], typer.Exit)


def test_one_process_of_torchrun_s_launches_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(launching, "launch", lambda _: pytest.fail("they are launched"))
    with pytest.raises(FacesimError, match="torchrun has started 1"), together(SilentReporter(), 4):
        pass


@pytest.mark.parametrize(
    ("at_once", "expected"), [(False, ["end"]), (True, ["failed: was stopped at once"])]
)
def test_after_a_stop_the_others_end_in_order_but_not_where_it_came_in_the_middle(
    ends: Ends, at_once: bool, expected: list[str]
) -> None:
    stopped = Stopped(signal.SIGTERM, at_once=at_once)
    assert ends(0, stopped) == (expected, stopped)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any, tuple[str, ...]]]:
    """The exit code, settings and command of a launch whose processes end in some way."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    monkeypatch.setattr(sys, "argv", ["facesim", "run", "train.yaml", "--processes", "2"])

    def run(count: int, error: BaseException | None = None) -> tuple[int, Any, tuple[str, ...]]:
        seen: list[Any] = []

        def elastic_launch(config: Any, program: str) -> Callable[..., None]:
            def start(*arguments: str) -> None:
                seen.extend((config, (program, *arguments)))
                if error is not None:
                    raise error

            return start

        monkeypatch.setattr(api, "elastic_launch", elastic_launch)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
        code = launch(count)
        return code, *seen

    return run


Launched = Callable[..., tuple[int, Any, tuple[str, ...]]]


def test_it_starts_the_same_command_so_many_times_with_a_share_of_the_cores(
    launched: Launched,
) -> None:
    code, config, command = launched(2)
    assert code == 0
    assert command == (sys.executable, "-m", "facesim", "run", "train.yaml", "--processes", "2")
    assert (config.min_nodes, config.max_nodes, config.nproc_per_node) == (1, 1, 2)
    assert config.max_restarts == 0
    assert config.rdzv_endpoint == "localhost:0"
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["GLOO_SOCKET_IFNAME"].startswith("lo")


def test_more_processes_than_cores_have_a_thread_each(launched: Launched) -> None:
    launched(8)
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_what_the_person_has_set_holds(launched: Launched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    launched(2)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["GLOO_SOCKET_IFNAME"]) == ("5", "eth7")


@pytest.mark.parametrize(
    ("codes", "code"),
    [({0: 2, 1: 2}, 2), ({0: 130}, 130), ({0: 70, 1: 2}, 70), ({1: -9}, 2), ({0: -9}, 2)],
)
def test_the_exit_code_is_that_of_the_main_process(
    launched: Launched, codes: dict[int, int], code: int
) -> None:
    failures = {
        rank: ProcessFailure(local_rank=rank, pid=1, exitcode=each, error_file="none")
        for rank, each in codes.items()
    }
    assert launched(2, ChildFailedError("facesim", failures))[0] == code


def test_a_signal_gives_the_exit_code_that_a_shell_expects(launched: Launched) -> None:
    assert launched(2, SignalException("stopped", signal.SIGTERM))[0] == 143
