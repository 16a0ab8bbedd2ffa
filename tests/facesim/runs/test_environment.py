"""What a run notes about what it ran with."""

import re
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from facesim import losses
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.runs.environment import (
    describe_environment,
    read_starts,
    record_environment,
    set_threads,
)
from facesim.runs.run import Run


def test_the_packages_that_a_plugin_names_are_there_with_their_versions(tiny: Experiment) -> None:
    with losses.isolated():

        @losses("with_packages", packages=("pytest", "hypothesis", "no-such-package", "ruff"))
        def with_packages(embedding_dim: int, num_identities: int) -> Any: ...

        named = tiny.model_copy(update={"loss": losses.spec("with_packages")})
        described = describe_environment(named, torch.device("cpu"))

    without = describe_environment(tiny, torch.device("cpu"))
    own = {name: version(name) for name in ("hypothesis", "pytest", "ruff")}
    assert described["packages"] == {**without["packages"], **own}
    assert [*described["packages"]] == [*without["packages"], *own]  # the same in every process
    assert "test_environment.py" in described["plugins"]["loss with_packages"]


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with a repository whose configuration names a program."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "experiment.yaml").touch()
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'it-ran'}\n")
    program.chmod(0o755)
    git(folder, "config", "core.fsmonitor", str(program))
    return folder


@pytest.mark.parametrize("is_run", [False, True])
@pytest.mark.parametrize("below", [False, True])
def test_a_repository_in_a_run_directory_is_not_asked(
    tiny: Experiment,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_run: bool,
    below: bool,
) -> None:
    if is_run:
        (repository / "run.json").touch()
    (repository / "below").mkdir()
    monkeypatch.chdir(repository / "below" if below else repository)
    described = describe_environment(tiny, torch.device("cpu"))
    assert (described["git_commit"] is None) == is_run
    assert (tmp_path / "it-ran").exists() == (not is_run)


@pytest.mark.parametrize("in_run", ["repository", "folder", "neither"])
def test_a_repository_that_is_apart_from_its_folder_is_asked_if_neither_is_in_a_run_directory(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_run: str
) -> None:
    places = {name: tmp_path / f"of {name}" for name in ("repository", "folder")}
    for name, place in places.items():
        place.mkdir()
        if name == in_run:
            (place / "run.json").touch()
            (place / "experiment.yaml").touch()
    git(places["folder"], "init", f"--separate-git-dir={places['repository'] / 'git'}")
    git(places["folder"], "commit", "--allow-empty", "-m", "first")
    monkeypatch.chdir(places["folder"])
    described = describe_environment(tiny, torch.device("cpu"))
    assert (described["git_commit"] is not None) == (in_run == "neither")


@pytest.fixture
def threads(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., int]]:
    """The threads with which a start of a run computes, and which it records."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before, path = torch.get_num_threads(), tmp_path / "environment.json"

    def start(asked: int | None = None, told: str = "", torchs: int = 1) -> int:
        torch.set_num_threads(torchs)
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        train = tiny.train.model_copy(update={"threads": asked})
        chosen = tiny.model_copy(update={"train": train})
        set_threads(path, chosen)
        record_environment(path, chosen, torch.device("cpu"), processes=2)
        assert read_starts(path)[-1].threads == torch.get_num_threads()
        assert read_starts(path)[-1].processes == 2
        return torch.get_num_threads()

    yield start
    torch.set_num_threads(before)


def test_a_run_goes_on_with_as_many_threads_as_it_began_with(threads: Callable[..., int]) -> None:
    assert threads(torchs=3) == 3
    assert threads(torchs=2) == 3
    assert threads(told="3", torchs=2) == 3


def test_other_threads_in_the_environment_are_refused_with_what_to_write(
    threads: Callable[..., int],
) -> None:
    threads(told="2", torchs=2)
    wanted = "begun with 2 threads per process, and OMP_NUM_THREADS is 4.*--set train.threads=4"
    with pytest.raises(FacesimError, match=wanted):
        threads(told="4")
    assert threads(told="not a number") == 2


def test_the_experiment_may_say_how_many_threads(threads: Callable[..., int]) -> None:
    assert threads(asked=2, torchs=1) == 2
    assert threads(asked=3, told="4") == 3


def test_the_threads_of_the_first_start_hold(threads: Callable[..., int]) -> None:
    threads(torchs=2)
    threads(asked=3)
    assert threads() == 2


def test_the_commit_is_told_with_whether_tracked_files_were_changed(
    tiny: Experiment, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    clean = describe_environment(tiny, torch.device("cpu"))["git_commit"]
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (repository / "untracked").touch()
    assert describe_environment(tiny, torch.device("cpu"))["git_commit"] == clean
    (repository / "experiment.yaml").write_text("changed")
    assert describe_environment(tiny, torch.device("cpu"))["git_commit"] == f"{clean}+changes"


def test_a_resume_with_other_threads_takes_them_from_the_users_experiment(
    tiny: Experiment, tmp_path: Path
) -> None:
    run = Run.begin(tiny, tmp_path)
    train = tiny.train.model_copy(update={"threads": 2})
    asked = tiny.model_copy(update={"train": train})
    run.take_experiment(asked)
    assert run.experiment.train.threads == 2
    with pytest.raises(FacesimError, match=r"seed: 0 -> 1"):
        run.take_experiment(asked.model_copy(update={"seed": 1}))
