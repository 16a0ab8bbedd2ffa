"""The commands as functions."""

import os
import signal
from pathlib import Path

import pytest

from facesim import OpenedRun, check, compare, load_experiment, run
from facesim.experiment.nodes import ExperimentError
from facesim.notebook import commands
from facesim.training.stop import Stopped


@pytest.fixture
def file(workplace: Path) -> Path:
    return workplace / "experiments" / "quickstart.yaml"


def test_overrides_are_values_by_their_place(file: Path) -> None:
    loss = {"name": "contrastive", "margin": 0.5}
    changes = {"loss": loss, "train.epochs": 7, "transforms": [], "trunk_cache": "off", "name": "n"}
    experiment = load_experiment(str(file), changes)
    assert experiment.loss.as_node() == loss
    assert (experiment.train.epochs, experiment.transforms) == (7, ())
    assert (experiment.trunk_cache, experiment.name) == ("off", "n")


def test_a_path_may_be_a_value(file: Path, tmp_path: Path) -> None:
    data = {"name": "folder", "root": tmp_path / "a b"}
    experiment = load_experiment(file, {"data.test": data})
    assert experiment.data.dataset_of("test").arguments["root"] == tmp_path / "a b"


def test_a_wrong_override_is_named(file: Path) -> None:
    with pytest.raises(ExperimentError, match=r"--set train.epohcs=1: .*did you mean 'epochs'"):
        load_experiment(file, {"train.epohcs": 1})


def test_a_check_shows_sizes_and_warnings(file: Path) -> None:
    checked = check(load_experiment(file))
    assert "tiny: ready to run" in repr(checked)
    assert "48 images of 8 identities" in checked._repr_html_()
    assert checked.report.notes
    for note in checked.report.notes:
        assert note in " ".join(repr(checked).split())


def test_an_interrupted_run_is_resumed_to_the_same_result(
    file: Path, tmp_path: Path, trained: OpenedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = load_experiment(file, {"train.epochs": 1})

    class Interrupting(commands.notebook_reporter().__class__):  # type: ignore[misc]
        def task(self, title: str, total: int, done: int = 0):  # type: ignore[no-untyped-def]
            if title.startswith("epoch"):
                os.kill(os.getpid(), signal.SIGINT)
            return super().task(title, total, done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "notebook_reporter", Interrupting)
        with pytest.raises(Stopped):
            run(experiment, tmp_path)
    assert "run(experiment, resume=True) goes on" in capsys.readouterr().out
    resumed = run(experiment, tmp_path, resume=True, progress=False)
    assert len(list((tmp_path / "tiny").iterdir())) == 1
    assert resumed.metrics.result.metrics == trained.metrics.result.metrics


def test_a_run_without_an_unfinished_one_begins_anew(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = load_experiment(file, {"train.epochs": 0})
    first = run(experiment, str(tmp_path), resume=True, progress=False)
    assert capsys.readouterr().out == ""
    second = run(experiment, tmp_path, resume=True, progress=False)
    assert first.path != second.path
    assert first.run.missing_stages == ()


def test_runs_are_compared_opened_or_by_their_path(file: Path, trained: OpenedRun) -> None:
    other = run(load_experiment(file, {"train.epochs": 0}), file.parents[1] / "o", progress=False)
    compared = compare(trained, other.path)
    assert compared.comparison.configuration == {"train.epochs": ("1", "0")}
    assert "train.epochs" in repr(compared)
    assert compared._repr_html_().count("<table>") >= 3
    assert compare(trained, other.path.parent.parent).comparison.groups[1].runs[0].files.path == (
        other.path
    )
    saved = compared.save(file.parent / "compared.csv")
    assert saved.read_text(encoding="utf-8").startswith("kind,label,")
