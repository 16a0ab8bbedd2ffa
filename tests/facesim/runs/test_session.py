"""A session: who holds a run, what is restored, and what is told about how it ended."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import Tracker, trackers
from facesim.processes import Processes
from facesim.reporter import SilentReporter
from facesim.runs.run import Run
from facesim.runs.session import run_session
from facesim.training.stop import Stopped, TrainingCancelled


@pytest.fixture
def run(tiny: Experiment, tmp_path: Path) -> Run:
    return Run.begin(tiny, tmp_path)


def held(run: Run, processes: Processes | None = None) -> Any:
    return run_session(run.directory, run.components, processes or Processes())


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (None, "finished"),
        (Stopped(2), "interrupted"),
        (TrainingCancelled(), "pruned"),
        (ValueError(), "failed"),
        (KeyboardInterrupt(), "failed"),
    ],
)
def test_its_end_is_logged(run: Run, ending: BaseException | None, status: str) -> None:
    try:
        with held(run):
            if ending is not None:
                raise ending
    except type(ending or AssertionError()):
        pass
    assert run.log is not None
    assert run.log.status == status


def test_a_second_process_on_the_same_run_is_refused(run: Run) -> None:
    with held(run), pytest.raises(FacesimError, match="in use by another process"), held(run):
        pass


def test_each_start_is_recorded(run: Run) -> None:
    for _ in range(2):
        with held(run):
            pass
    starts = json.loads((run.path / "environment.json").read_text())
    assert len(starts) == 2
    assert all("torch" in start["packages"] for start in starts)


def test_it_says_what_the_tables_hold_and_where_it_resumes(
    tiny: Experiment, tmp_path: Path
) -> None:
    heard: list[str] = []

    class Listening(SilentReporter):
        def say(self, text: str) -> None:
            heard.append(text)

    run = Run.begin(tiny, tmp_path)
    run.train()
    again = Run.open(run.path)
    with held(again, Processes(Listening())) as session:
        assert session.progress.epoch == 3
        assert session.progress.step == 18
    assert heard[0] == f"run directory: {run.path}"
    assert "train: 48 images of 8 identities" in heard
    assert heard[-1] == "resuming at epoch 4, batch 1 (step 18)"


def test_the_callers_settings_of_torch_come_back(run: Run) -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with held(run):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"


class Hearing(Tracker):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        self.heard.append("started")

    def log(self, values: dict[str, float], step: int) -> None:
        self.heard.append("logged")

    def finish(self, status: str) -> None:
        self.heard.append(status)


class Unreachable(Hearing):
    def start(self, run_dir: Path, name: str, experiment: dict[str, Any]) -> None:
        raise FacesimError("no connection")


def test_a_tracker_that_cannot_start_leaves_none_open(tiny_file: Path, tmp_path: Path) -> None:
    hearing = Hearing()
    with trackers.isolated():
        trackers("hearing")(lambda: hearing)
        trackers("unreachable")(Unreachable)
        experiment = load_experiment(tiny_file, ["trackers=[hearing, unreachable]"])
        with pytest.raises(FacesimError, match="no connection"):
            Run.begin(experiment, tmp_path).complete()
    assert hearing.heard == ["started", "failed"]
