"""The stages of a run: which are done, and that resuming does what is missing."""

from pathlib import Path
from typing import Any

import pytest

from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.runs.evaluation import evaluate
from facesim.runs.run import Run


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
    whole = (run.path / "metrics.jsonl").read_text()
    lines = whole.splitlines(keepends=True)
    (run.path / "metrics.jsonl").write_text("".join(lines[:-2]))  # neither test nor finished
    assert done(run)["evaluate test"] is False
    assert Run.open(run.path).complete() == result
    assert evaluated == ["test"]
    assert (run.path / "metrics.jsonl").read_text() == whole


def test_an_evaluation_of_another_checkpoint_is_made_again(
    short: Experiment, tmp_path: Path, evaluated: list[str]
) -> None:
    run = Run.begin(short, tmp_path)
    result = run.complete()
    content = run.checkpoints.best.read_bytes()
    run.checkpoints.file("padded").write_bytes(content + b"\0")
    run.evaluate(checkpoint="padded")
    assert Run.open(run.path).complete() == result
    assert evaluated == ["test"] * 3


def test_a_linter_report_that_a_kill_prevented_is_made(short: Experiment, tmp_path: Path) -> None:
    run = Run.begin(short, tmp_path)
    found = (run.path / "lint.json").read_text()
    (run.path / "lint.json").unlink()
    assert done(run)["lint"] is False
    Run.open(run.path).complete()
    assert (run.path / "lint.json").read_text() == found
