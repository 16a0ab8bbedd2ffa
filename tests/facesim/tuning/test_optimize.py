"""The whole of `facesim optimize`: what it leaves, what it says, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.training.run_directory import RunDirectory
from facesim.tuning.attributes import LOST
from facesim.tuning.optimize import Request, optimize
from facesim.tuning.plan import Plan
from facesim.tuning.progress import StudyProgress
from facesim.tuning.storage import JOURNAL_FILE
from facesim.tuning.study import open_study
from facesim.tuning.summary import Summary
from facesim.tuning.winner import winning_experiment


class Heard:
    """A view that keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[StudyProgress] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, progress: StudyProgress) -> None:
        self.shown.append(progress)


def asked(file: Path, *, resume: bool = False, workers: int = 2) -> Request:
    out = file.parent / "studies"
    return Request(file, (), out, None, None, workers, resume)


def test_a_search_ends_with_an_honest_summary_and_an_experiment_that_runs(
    write_search: Callable[..., Path],
) -> None:
    file = write_search()
    view = Heard()
    folder, summary = optimize(asked(file), view)
    plan = Plan.read(folder, None)
    study = open_study(plan)
    winner = study.trials[summary.winning_trial]

    assert load_experiment(folder / "best.yaml") == winning_experiment(plan, winner)
    assert Summary.model_validate_json((folder / "summary.json").read_text()) == summary
    assert summary.winning_value == max(trial.values[0] for trial in study.trials)
    assert summary.seeds == (1, 2, 3)
    systems = [summary.winner] if summary.base is None else [summary.winner, summary.base]
    for system in systems:
        runs = [RunDirectory(Path(run)) for run in system.runs]
        assert [run.experiment().seed for run in runs] == [1, 2, 3]
        measured = [json.loads((r.evaluation("test") / "metrics.json").read_text()) for r in runs]
        assert [each["accuracy"]["value"] for each in measured] == list(
            system.test["accuracy"].values
        )
    if summary.base is not None and summary.difference is not None:
        pairs = zip(
            summary.winner.test["accuracy"].values,
            summary.base.test["accuracy"].values,
            strict=True,
        )
        assert [each.difference for each in summary.difference.per_seed] == [
            winner - base for winner, base in pairs
        ]
    assert view.shown[-1].ended == view.shown[-1].total
    page = (folder / "study.html").read_text()
    for heading in ("History", "Importances", "Slices", "Parallel coordinates"):
        assert f">{heading}<" in page
    assert "src=" not in page.partition("<script>")[0]

    again = Heard()
    assert optimize(asked(file, resume=True), again) == (folder, summary)
    assert again.shown == []

    plain = optuna.load_study(
        study_name="tiny", storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL_FILE)))
    )
    assert plain.metric_names == ["val.accuracy"]


def test_there_must_be_a_study_to_resume(write_search: Callable[..., Path]) -> None:
    with pytest.raises(FacesimError, match="there is no study 'tiny' to resume"):
        optimize(asked(write_search(), resume=True), Heard())


def test_an_experiment_without_a_search_is_told_so(write_search: Callable[..., Path]) -> None:
    file = write_search("")
    file.write_text(file.read_text().replace("search:\n", ""))
    with pytest.raises(FacesimError, match="declares no search"):
        optimize(asked(file), Heard())


def test_what_is_wrong_with_the_data_is_said_once_before_any_trial(
    write_search: Callable[..., Path],
) -> None:
    file = write_search(
        changed=("{name: synthetic_faces, identities: 8", "{name: folder, path: no")
    )
    with pytest.raises(FacesimError):
        optimize(asked(file), Heard())
    assert not (file.parent / "studies" / "tiny" / "trials").exists()


def test_a_signal_gives_the_trials_back(write_search: Callable[..., Path]) -> None:
    file = write_search(changed=("epochs: 3", "epochs: 200"))
    out = file.parent / "studies"
    program = "from facesim.cli import main; main()"
    arguments = ["optimize", str(file), "--out", str(out), "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments])
    while not list(out.glob("tiny/trials/*/tiny/*/checkpoints/last.pt")):
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 130
    trials = open_study(Plan.read(out / "tiny", None)).trials
    begun = [trial for trial in trials if trial.params]
    assert begun
    assert {trial.user_attrs[LOST] for trial in begun} == {"stopped"}
