"""The section about the folds, as far as they have come."""

from pathlib import Path

import pytest

from facesim.experiment.loading import load_experiment
from facesim.page import Links, Text
from facesim.report.sections.folds import folds_section
from facesim.runs.directory import RunDirectory
from facesim.runs.run import Run
from tests.facesim.runs.test_folds import write_folds


@pytest.fixture
def begun(tmp_path: Path) -> Run:
    """A run of three folds, of which none has been trained."""
    experiment = load_experiment(write_folds(tmp_path))
    directory = RunDirectory.create(tmp_path / "runs", experiment)
    directory.create_fold(1, experiment.of_fold(1))
    return Run(directory)


def test_a_run_whose_folds_are_not_tested_yet_says_so_and_leads_nowhere(begun: Run) -> None:
    blocks = folds_section(begun.read()).blocks
    assert any(isinstance(each, Text) and "0 of 3 folds are tested" in each.text for each in blocks)
    assert not any(isinstance(each, Links) for each in blocks)


def test_what_is_left_to_do_are_the_folds_and_their_evaluation(begun: Run) -> None:
    folds = ("fold 1", "fold 2", "fold 3")
    assert begun.missing_stages == ("lint", *folds, "evaluate test", "report")
    assert begun.read().status == "not started"
    assert not (begun.path / "checkpoints").exists()
