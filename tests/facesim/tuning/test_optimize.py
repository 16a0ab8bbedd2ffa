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

from facesim.cli import main
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment, load_with_source
from facesim.interfaces import metrics
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.runs.run import Run
from facesim.tuning.optimize import Request, optimize
from facesim.tuning.storage import IS_BASE, JOURNAL_FILE, LOST, counted, open_storage
from facesim.tuning.study import Plan, open_study
from facesim.tuning.summary import Summary
from facesim.tuning.trial_queue import StudyProgress
from facesim.tuning.winner import winning_experiment

PROGRAM = "from facesim.cli import main; main()"


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
    folder, summary = optimize(asked(file), view, Processes())
    plan = Plan.read(folder, None)
    study = open_study(plan)
    winner = study.trials[summary.winning_trial]

    assert load_experiment(folder / "best.yaml") == winning_experiment(plan, winner)
    assert Summary.model_validate_json((folder / "summary.json").read_text()) == summary
    assert summary.winning_value == max(trial.values[0] for trial in study.trials)
    assert summary.seeds == (1, 2, 3)
    systems = [summary.winner] if summary.base is None else [summary.winner, summary.base]
    for system in systems:
        runs = [Run.open(Path(run)) for run in system.runs]
        assert [run.experiment.seed for run in runs] == [1, 2, 3]
        drawn = [run.directory.pairs_file(name) for run in runs for name in ("val", "test")]
        assert len({file.read_bytes() for file in drawn}) == 2  # with every seed the same pairs
        measured = [json.loads((run.path / "eval/test/metrics.json").read_text()) for run in runs]
        assert [each["metrics"]["accuracy"]["value"] for each in measured] == list(
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
    assert optimize(asked(file, resume=True), again, Processes()) == (folder, summary)
    assert again.shown == []

    plain = optuna.load_study(
        study_name="tiny", storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL_FILE)))
    )
    assert plain.metric_names == ["val.accuracy"]


OWN_METRIC = """
from facesim import Metric, metrics

@metrics("half_total_error")
class HalfTotalError(Metric):
    \"\"\"Mean of FMR and FNMR at the threshold from val.\"\"\"

    label = "Half total error"
    higher_is_better = False
    at_threshold = True
    headline = True

    def value(self, roc, threshold):
        point = roc.at(threshold)
        return (point.fmr + point.fnmr) / 2
"""


def test_a_metric_in_a_file_beside_the_experiment_steers_a_search(
    write_search: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = (
        "  trials: 2\n  metric: val.half_total_error\n"
        "  space: {optimizer.lr: {float: [1e-3, 1e-2]}}\n"
    )
    file = write_search(search, changed=("name: tiny", "name: tiny\nplugins: [./own_metric.py]"))
    (file.parent / "own_metric.py").write_text(OWN_METRIC)
    with metrics.isolated():
        folder, summary = optimize(asked(file, workers=1), Heard(), Processes())
        best = load_experiment(folder / "best.yaml")
        study = open_study(Plan.read(folder, None))
    assert [spec.name for spec in best.evaluate.metrics][-1] == "half_total_error"
    assert summary.metric == "half_total_error"
    assert summary.winning_value == min(trial.values[0] for trial in study.trials)
    assert len(summary.winner.test["half_total_error"].values) == 3
    rates = [summary.winner.test[name].values for name in ("fmr", "fnmr")]
    assert list(summary.winner.test["half_total_error"].values) == [
        pytest.approx((fmr + fnmr) / 2) for fmr, fnmr in zip(*rates, strict=True)
    ]
    page = (folder / "study.html").read_text()
    for text in (">Half total error<", ">History of val.half_total_error<"):
        assert text in page


def test_there_must_be_a_study_to_resume(write_search: Callable[..., Path]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with pytest.raises(FacesimError, match="there is no study 'tiny' to resume"):
        optimize(asked(write_search(), resume=True), Heard(), Processes())
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR  # the table is enough


def test_an_experiment_without_a_search_is_told_so(write_search: Callable[..., Path]) -> None:
    file = write_search("")
    file.write_text(file.read_text().replace("search:\n", ""))
    with pytest.raises(FacesimError, match="declares no search"):
        optimize(asked(file), Heard(), Processes())


def test_what_is_wrong_with_the_data_is_said_once_before_any_trial(
    write_search: Callable[..., Path],
) -> None:
    file = write_search(
        changed=("{name: synthetic_faces, identities: 8", "{name: folder, path: no")
    )
    with pytest.raises(FacesimError):
        optimize(asked(file), Heard(), Processes())
    assert not (file.parent / "studies" / "tiny" / "trials").exists()


def test_a_signal_gives_the_trials_back(write_search: Callable[..., Path]) -> None:
    file = write_search(changed=("epochs: 3", "epochs: 200"))
    out = file.parent / "studies"
    arguments = ["optimize", str(file), "--out", str(out), "--workers", "2"]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])
    while not list(out.glob("tiny/trials/*/tiny/*/checkpoints/last.pt")):
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 130
    trials = open_study(Plan.read(out / "tiny", None)).trials
    begun = [trial for trial in trials if trial.params]
    assert begun
    assert {trial.user_attrs[LOST] for trial in begun} == {"stopped"}


def test_trials_without_a_result_are_told_and_the_exit_code_is_3(
    write_search: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_search(
        "  trials: 2\n  threads: 1\n  space:\n    optimizer.lr: {choice: [0.001, 1.0e+30]}\n"
    )
    out = file.parent / "studies"
    plan = Plan.of(*load_with_source(file), out / "tiny", None)
    plan.write()
    open_study(plan).enqueue_trial({"optimizer.lr": 1e30})
    monkeypatch.setattr(sys, "argv", ["facesim", "optimize", str(file), "--out", str(out)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    printed = capsys.readouterr().out
    assert "1 of 2 trials came to no result: trial 1: NonFiniteLossError: " in printed
    assert f"written to {out / 'tiny'}" in printed


FULL_DISK = """
import errno
from pathlib import Path

from facesim import Metric, metrics

@metrics("writes_a_file")
class WritesAFile(Metric):
    \"\"\"Writes to a disk that is full while there is a file `full`.\"\"\"

    label = "Writes a file"
    higher_is_better = False

    def value(self, roc, threshold):
        full = Path(__file__).with_name("full")
        if full.exists():
            raise OSError(errno.ENOSPC, "No space left on device", str(full))
        return 0.5
"""


def test_an_error_of_the_machine_is_one_line_and_the_same_command_goes_on(
    write_search: Callable[..., Path],
) -> None:
    search = (
        "  trials: 2\n  metric: val.writes_a_file\n  space: {optimizer.lr: {float: [1e-3, 1e-2]}}\n"
    )
    file = write_search(search, changed=("name: tiny", "name: tiny\nplugins: [./full_disk.py]"))
    (file.parent / "full_disk.py").write_text(FULL_DISK)
    full = file.with_name("full")
    full.touch()
    out = file.parent / "studies"
    command = [sys.executable, "-c", PROGRAM, "optimize", str(file), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert f"{full}: No space left on device; free some space" in line
    full.unlink()
    assert subprocess.run(command, check=False).returncode == 0
    trials = optuna.load_study(study_name="tiny", storage=open_storage(None, out / "tiny")).trials
    assert [trial.user_attrs.get(LOST) for trial in trials] == ["stopped", None, None]
    assert [trial.state.name for trial in counted(trials)] == ["COMPLETE"] * 2


class Said(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_the_trunk_cache_is_filled_before_the_workers_begin(
    write_search: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / "cache"))
    search = "  trials: 1\n  space: {optimizer.lr: {float: [1e-3, 1e-2]}}\n"
    frozen = "{name: small_cnn, width: 4, frozen_stages: 1}"
    file = write_search(search, changed=("{name: small_cnn, width: 4}", frozen))
    first, second, heard = Said(), Said(), Heard()
    optimize(asked(file, workers=1), heard, Processes(first))
    assert [line for line in heard.said if line.startswith("backbone_engine: eager (")] != []
    heard.said.clear()
    assert [line.split(" in ")[0] for line in first.lines] == [
        "trunk cache: 48 images to compute once, 0 MB",
        "trunk cache: 16 images to compute once, 0 MB",
        "trunk cache: 16 images to compute once, 0 MB",
    ]
    folder, _ = optimize(asked(file, workers=1), heard, Processes(second))
    assert second.lines == []
    # The study decided once what its trials left to the machine.
    assert [line for line in heard.said if line.startswith("backbone_engine: eager (")] == []
    study = open_study(Plan.read(folder, None))
    assert study.user_attrs["decisions"]["backbone_engine"]["chosen"] == "eager"
    runs = [Run.open(file.parent) for file in folder.rglob("run.json")]
    assert {run.recorded.backbone_engine for run in runs} == {"eager"}
    decided = study.user_attrs["decisions"]
    for run in runs:  # which did not decide it again
        starts = json.loads((run.path / "environment.json").read_text())
        assert {json.dumps(start["decisions"]) for start in starts} == {json.dumps(decided)}
    assert load_experiment(folder / "best.yaml").backbone_engine == "auto"


def test_the_same_command_elsewhere_joins_the_study(
    write_search: Callable[..., Path], tmp_path: Path
) -> None:
    file = write_search()
    command = [sys.executable, "-c", PROGRAM, "optimize", str(file)]
    storage = ["--storage", f"sqlite:///{tmp_path}/study.db"]
    folders = [tmp_path / "here", tmp_path / "there"]
    both = [
        subprocess.Popen([*command, *storage, "--out", str(out)], stdout=subprocess.PIPE)
        for out in folders
    ]
    assert [process.wait() for process in both] == [0, 0], [each.stdout for each in both]
    summaries = [
        Summary.model_validate_json((out / "tiny" / "summary.json").read_text()) for out in folders
    ]
    assert summaries[0] == summaries[1]
    study = optuna.load_study(study_name="tiny", storage=storage[1])
    done = counted(study.trials)
    assert len(done) == 4
    assert [bool(trial.user_attrs.get(IS_BASE)) for trial in done].count(True) == 1
    for out in folders:
        assert load_experiment(out / "tiny" / "best.yaml").search is None
