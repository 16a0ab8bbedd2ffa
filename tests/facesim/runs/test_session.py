import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from facesim.atomic import unseal
from facesim.console import warn_once
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import Tracker, trackers
from facesim.model.tensor_files import save_tensors
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.runs.evaluation import evaluate
from facesim.runs.run import Run
from facesim.runs.session import run_session
from facesim.training.checkpoint import read_checkpoint
from facesim.training.stop import Stopped, TrainingCancelled


class Said(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def run(tiny: Experiment, tmp_path: Path) -> Run:
    return Run.begin(tiny, tmp_path)


def held(run: Run, processes: Processes | None = None) -> Any:
    return run_session(run.directory, run.components, run.tables, processes or Processes())


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
    said = Said()
    run = Run.begin(tiny, tmp_path)
    run.train()
    again = Run.open(run.path)
    with held(again, Processes(said)) as session:
        assert session.progress.epoch == 3
        assert session.progress.step == 18
    assert said.lines[0] == f"run directory: {run.path}"
    assert "train: 48 images of 8 identities" in said.lines
    assert said.lines[-1] == "resuming at epoch 4, batch 1 (step 18)"


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


@pytest.fixture
def short(tiny_file: Path) -> Experiment:
    settings = ["train.epochs=2", "sampler.pairs_per_image=0.4", "evaluate.baselines=false"]
    return load_experiment(tiny_file, settings)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the evaluations that are made from now on."""
    names: list[str] = []

    def noting(plan: Any, *arguments: Any) -> Any:
        names.append(plan.name)
        return evaluate(plan, *arguments)

    monkeypatch.setattr("facesim.runs.run.evaluate", noting)
    return names


def done(run: Run) -> dict[str, bool]:
    return {stage.name: stage.is_done for stage in run.stages}


def test_a_run_goes_through_its_stages(short: Experiment, tmp_path: Path) -> None:
    run = Run.begin(short, tmp_path)
    assert done(run) == {"lint": True, "train": False, "evaluate test": False, "report": False}
    assert Run.latest_unfinished(short, tmp_path) is not None

    run.train()
    assert done(run) == {"lint": True, "train": True, "evaluate test": False, "report": False}

    run.complete()
    assert done(run) == {"lint": True, "train": True, "evaluate test": True, "report": False}
    assert [*run.missing_stages] == ["report"]
    assert Run.latest_unfinished(short, tmp_path) is not None

    (run.path / "report.html").touch()
    assert [*run.missing_stages] == []
    assert Run.latest_unfinished(short, tmp_path) is None

    (run.path / "eval" / "lfw").mkdir()
    assert done(run)["evaluate lfw"] is False
    assert [*run.missing_stages] == []


def test_an_epoch_that_is_missing_is_training_that_is_missing(
    short: Experiment, tmp_path: Path
) -> None:
    def kill(epochs_done: int, _values: object) -> None:
        if epochs_done == 1:
            raise KeyboardInterrupt

    run = Run.begin(short, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.complete(kill)
    assert done(run)["train"] is False


def test_what_was_evaluated_before_a_kill_is_not_evaluated_again(
    short: Experiment, tmp_path: Path, evaluated: list[str]
) -> None:
    run = Run.begin(short, tmp_path)
    result = run.complete()
    log = run.path / "metrics.jsonl"
    whole = log.read_text()
    lines = whole.splitlines(keepends=True)
    unseal(log)  # as a run that goes on
    log.write_text("".join(lines[:-2]))  # neither test nor finished
    assert done(run)["evaluate test"] is False
    assert Run.open(run.path).complete() == result
    assert evaluated == ["test"]
    assert log.read_text() == whole


def test_an_evaluation_of_another_checkpoint_is_made_again(
    short: Experiment, tmp_path: Path, evaluated: list[str]
) -> None:
    run = Run.begin(short, tmp_path)
    result = run.complete()
    content = read_checkpoint(run.checkpoints.best)
    content["network"] = {name: each + 1 for name, each in content["network"].items()}
    save_tensors(run.checkpoints.file("moved"), content)
    run.evaluate(checkpoint="moved")
    assert Run.open(run.path).complete() == result
    assert evaluated == ["test"] * 3


def test_a_linter_report_that_a_kill_prevented_is_made(short: Experiment, tmp_path: Path) -> None:
    run = Run.begin(short, tmp_path)
    found = (run.path / "lint.json").read_text()
    (run.path / "lint.json").unlink()
    assert done(run)["lint"] is False
    Run.open(run.path).complete()
    assert (run.path / "lint.json").read_text() == found


def test_a_run_that_cannot_be_read_is_named_and_passed_over(
    short: Experiment, tmp_path: Path
) -> None:
    unfinished = Run.begin(short, tmp_path)
    for name, content in (("99990101-000001", "name: ["), ("99990101-000002", "name: other")):
        (tmp_path / "tiny" / name).mkdir()
        (tmp_path / "tiny" / name / "experiment.yaml").write_text(content)
    torn = Run.begin(short, tmp_path)
    unseal(torn.path / "metrics.jsonl")
    (torn.path / "metrics.jsonl").write_text("nonsense\n")
    torn.path.rename(torn.path.with_name("99990101-000003"))
    said = Said()
    found = Run.latest_unfinished(short, tmp_path, Processes(said))
    assert found is not None
    assert found.path == unfinished.path
    assert [line.split(" is passed over")[0][-1] for line in said.lines] == ["3", "2", "1"]
    assert "metrics.jsonl:1: not JSON" in said.lines[0]


def test_a_run_of_another_experiment_is_not_gone_on_with(short: Experiment, tmp_path: Path) -> None:
    own = Run.begin(short, tmp_path)
    other = Run.begin(short.model_copy(update={"seed": 5}), tmp_path)
    assert other.path > own.path
    found = Run.latest_unfinished(short, tmp_path)
    assert found is not None
    assert found.path == own.path


def test_a_directory_that_was_never_finished_being_made_is_not_seen_and_is_cleared(
    short: Experiment, tmp_path: Path
) -> None:
    half = tmp_path / "tiny" / ".20200101-000000.abc.tmp"
    half.mkdir(parents=True)
    (half / "experiment.yaml").write_text(short.as_yaml())
    assert Run.latest_unfinished(short, tmp_path) is None
    os.utime(half, (0, 0))
    Run.begin(short, tmp_path)
    assert not half.exists()


def test_temporary_files_of_a_killed_process_are_removed(run: Run) -> None:
    removed = ["checkpoints/.last.pt.a.tmp", ".environment.json.d.tmp", ".trunk.pt.tmp"]
    removed += [".report.html.b.tmp", ".facesim-manifest.json.e.tmp"]
    young = ".report.html.c.tmp"  # written without the lock, perhaps now
    for name in (*removed, young):
        (run.path / name).touch()
    os.utime(run.path / ".report.html.b.tmp", (0, 0))
    with held(run):
        pass
    assert [name for name in (*removed, young) if (run.path / name).exists()] == [young]


def test_a_log_that_lost_lines_is_said(short: Experiment, tmp_path: Path) -> None:
    run = Run.begin(short, tmp_path)
    run.train()
    log = run.path / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:100])
    said = Said()
    with held(Run.open(run.path), Processes(said)):
        pass
    assert any("metrics.jsonl is" in line and "bytes shorter" in line for line in said.lines)


@pytest.mark.parametrize("deleted", [True, False])
def test_whoever_reads_an_unfinished_log_that_lost_lines_is_told(
    short: Experiment, tmp_path: Path, caplog: pytest.LogCaptureFixture, deleted: bool
) -> None:
    run = Run.begin(short, tmp_path)
    run.train()
    log = run.path / "metrics.jsonl"
    unseal(log)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))  # as after a kill
    warn_once.cache_clear()
    Run.open(run.path).read()
    assert not caplog.messages
    log.write_bytes(b"")
    if deleted:
        log.unlink()
    Run.open(run.path).read()
    (said,) = caplog.messages
    assert said.startswith(f"{run.path.name}: metrics.jsonl is")
    assert "bytes shorter than the last checkpoint says" in said


def test_a_digit_of_an_unfinished_log_that_changed_is_noticed_by_whoever_reads_it(
    short: Experiment, tmp_path: Path
) -> None:
    def kill(epochs_done: int, _values: object) -> None:
        raise KeyboardInterrupt

    run = Run.begin(short, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.complete(kill)
    log = run.path / "metrics.jsonl"
    unseal(log)
    whole = b"".join(log.read_bytes().splitlines(keepends=True)[:-1])  # as after a kill
    log.write_bytes(whole)
    assert Run.open(run.path).read().log is not None
    log.write_bytes(whole.replace(b'"step": ', b'"step": 1', 1))
    with pytest.raises(FacesimError, match=r"metrics\.jsonl: is not what facesim wrote up to"):
        Run.open(run.path).read()


def test_whatever_shows_its_progress_in_a_session_can_be_stopped(run: Run) -> None:
    with (
        pytest.raises(Stopped),
        held(run) as session,
        session.processes.reporter.task("work", 3) as advance,
    ):
        os.kill(os.getpid(), signal.SIGTERM)
        advance()
    assert run.log is not None
    assert run.log.status == "interrupted"
