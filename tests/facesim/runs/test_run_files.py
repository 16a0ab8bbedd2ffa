"""A run and one of its evaluations, read."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from facesim.errors import DataError, FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.runs.directory import RunDirectory
from facesim.runs.run import Run
from facesim.training.build import Tables

FINDING = {"rule": "dominant_identity", "severity": "warning", "message": "one", "rows": []}
OTHER = {**FINDING, "message": "another"}


@pytest.fixture
def run(tiny: Experiment, tmp_path: Path) -> Run:
    return Run(RunDirectory.create(tmp_path, tiny), experiment=tiny)


def test_what_is_not_there_yet_is_none_or_empty(run: Run) -> None:
    files = run.read()
    assert (files.result, files.pairs, files.slices, files.calibration) == (None,) * 4
    assert (files.lint, files.log) == (None, None)
    assert (files.starts, files.baselines) == ((), ())
    assert files.title == f"tiny / {run.path.name}"


def test_an_evaluation_that_was_never_made_is_refused(run: Run) -> None:
    (run.path / "eval" / "lfw").mkdir()
    with pytest.raises(FacesimError, match=r"no evaluation 'lwf' \(did you mean 'lfw'\?\); it has"):
        run.read("lwf")


def test_findings_of_the_run_and_of_the_evaluation_stand_together_once(run: Run) -> None:
    (run.path / "eval" / "test").mkdir()
    (run.path / "lint.json").write_text(json.dumps({"findings": [FINDING]}))
    (run.path / "eval/test/lint.json").write_text(json.dumps({"findings": [FINDING, OTHER]}))
    lint = run.read().lint
    assert lint is not None
    assert [finding.message for finding in lint.findings] == ["one", "another"]


def test_an_evaluation_may_be_of_another_experiment(run: Run, tiny_file: Path) -> None:
    folder = run.path / "eval" / "larger"
    folder.mkdir()
    load_experiment(tiny_file, ["image.size=[48, 48]"]).save(folder / "experiment.yaml")
    files = run.read("larger")
    assert files.experiment is run.recorded
    assert files.evaluated.image.size == (48, 48)


def test_damaged_starts_are_named(run: Run) -> None:
    (run.path / "environment.json").write_text('[{"command": 3}]')
    with pytest.raises(DataError, match=r"environment\.json: 0\.command: .*; delete it"):
        run.read()


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "/", "x/../test", "a" * 300])
def test_an_evaluation_is_no_path(run: Run, name: str) -> None:
    with pytest.raises(FacesimError, match="has no evaluation"):
        run.read(name)


def test_the_metrics_are_those_that_were_measured_that_of_the_headline_included(
    run: Run, build_run: Callable[..., Run]
) -> None:
    """Before there is a result, those that the experiment asks for."""
    asked = list(run.read().metrics)
    assert "fnmr_at_fmr_1e-3" not in asked
    built = build_run().read()
    assert built.result is not None
    assert set(built.metrics) == {*built.result.metrics}


def test_the_best_of_training_is_what_the_experiment_asks_for(
    build_run: Callable[..., Run],
) -> None:
    files = build_run().read()
    assert files.best_of_training is not None
    assert files.best_of_training.name == files.experiment.train.best
    assert [*files.training_metrics] == [*files.metrics]


class Unreachable(Tables):
    def read(self, *_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", "faces")


def test_a_table_that_cannot_be_reached_is_named(build_run: Callable[..., Run]) -> None:
    files = build_run().read()
    assert files.pairs is not None
    with pytest.raises(FacesimError, match=r"^faces: Permission denied$"):
        replace(files, tables=Unreachable()).images(files.pairs)
