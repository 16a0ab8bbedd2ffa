"""The files that an evaluation writes: all of one evaluation, or none that calls it done."""

import tarfile
from pathlib import Path

import pytest

from facesim.interfaces import PairSet
from facesim.interfaces.protocol import Measurement, ScoredPairs
from facesim.runs.evaluation_files import EvaluationOutcome, begin_files, write_files
from facesim.runs.evaluation_plan import EvaluationPlan, plan_evaluation
from facesim.runs.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with tarfile.open(Path(__file__).with_name("run_format_1.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    return Run.open(tmp_path / "finished")


@pytest.fixture
def found(run: Run) -> EvaluationOutcome:
    """What the run's own evaluation found, as if it had just been measured."""
    files = run.read()
    assert files.result is not None
    assert files.pairs is not None
    assert files.lint is not None
    assert files.calibration is not None
    images = files.images(files.pairs)
    pairs = ScoredPairs(PairSet(images.rows, files.pairs.same), files.pairs.scores)
    measured = Measurement(files.result, pairs)
    return EvaluationOutcome(
        images.table, files.lint, files.calibration, measured, files.baselines, files.slices
    )


def plan(run: Run, name: str) -> EvaluationPlan:
    return plan_evaluation(run.directory, run.experiment, name=name, checkpoint="best")


def test_they_read_back(run: Run, found: EvaluationOutcome) -> None:
    begin_files(plan(run, "again"))
    write_files(plan(run, "again"), found)
    before, after = run.read(), run.read("again")
    assert after.result == before.result
    assert after.baselines == before.baselines
    assert after.slices == before.slices
    assert before.pairs is not None
    assert after.pairs is not None
    assert after.pairs.identities is not None
    assert after.pairs.same_pairs_as(before.pairs)
    assert after.pairs.scores.tolist() == before.pairs.scores.tolist()


def test_pairs_of_an_attempt_that_came_to_no_end_go_and_those_of_one_that_did_stay(
    run: Run, found: EvaluationOutcome
) -> None:
    again = plan(run, "again")
    for is_done in (False, True):
        begin_files(again)
        again.pairs_file.touch()
        if is_done:
            write_files(again, found)
        begin_files(again)
        assert again.pairs_file.exists() == is_done


def test_what_is_not_found_any_more_is_deleted(run: Run, found: EvaluationOutcome) -> None:
    fewer = EvaluationOutcome(
        found.table, found.lint, found.calibration, Measurement(found.measured.result), (), None
    )
    write_files(plan(run, "test"), found)
    for _ in range(2):
        write_files(plan(run, "test"), fewer)
    assert sorted(path.name for path in (run.path / "eval/test").iterdir()) == [
        "lint.json",
        "metrics.json",
        "presentation.json",
    ]


def test_it_is_done_only_while_all_its_files_belong_together(
    run: Run, found: EvaluationOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    assert plan(run, "test").is_done
    monkeypatch.setattr("facesim.runs.evaluation_files.write_scored_pairs", fail)
    with pytest.raises(OSError, match="disk is full"):
        write_files(plan(run, "test"), found)
    assert not plan(run, "test").is_done


def test_the_folder_keeps_the_experiment_where_it_is_not_the_run_s_own(run: Run) -> None:
    begin_files(plan(run, "again"))
    again = run.directory.evaluation("again") / "experiment.yaml"
    assert again.read_text() == plan(run, "again").experiment.as_yaml()
    begin_files(plan(run, "test"))
    assert not (run.directory.evaluation("test") / "experiment.yaml").exists()
