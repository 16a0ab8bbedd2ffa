from collections.abc import Callable

import pytest

from facesim.interfaces.result import EvaluationResult
from facesim.page import Table, Text
from facesim.report.formatting import NOTHING, RATE, VAL_AGAIN, complement, estimate
from facesim.report.sections.scores import operating_points_section
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles


@pytest.fixture
def files(build_run: Callable[..., Run]) -> RunFiles:
    return build_run().read()


def tables(files: RunFiles) -> tuple[EvaluationResult, Table, Table]:
    assert files.result is not None
    _, at_targets, achieved, *_ = operating_points_section(files.result, files.metrics).blocks
    assert isinstance(at_targets, Table)
    assert isinstance(achieved, Table)
    return files.result, at_targets, achieved


def test_every_target_has_its_value_or_the_reason(files: RunFiles) -> None:
    result, at_targets, _ = tables(files)
    rows = {row[0]: row for row in at_targets.rows}
    unstable = result.metrics["tar_at_far_1e-1"]
    assert unstable.support is not None
    assert rows["TAR at FAR 1e-1"][1] == f"{unstable.value:.2%}"
    assert rows["TAR at FAR 1e-1"][4] == (
        f"unstable: 18 false matches of {unstable.support.identities} identities"
    )
    assert len(rows["TAR at FAR 1e-1"]) == len(at_targets.columns)
    assert rows["TAR at FAR 1e-6"][1].startswith("not measurable with ")


def test_thresholds_from_val_have_both_error_rates(files: RunFiles) -> None:
    result, _, achieved = tables(files)
    columns = ("Chosen for", "Threshold", "Support where chosen", "FMR", "FNMR", "Accuracy")
    assert achieved.columns == columns
    assert [row[0] for row in achieved.rows[:3]] == [
        "best accuracy",
        "equal error rate",
        "FMR 1e-1",
    ]
    best = result.operating_points[0]
    assert achieved.rows[0][2:] == (
        NOTHING,
        estimate(RATE, best.fmr),
        estimate(RATE, complement(best.tar)),
        estimate(RATE, best.accuracy),
    )
    assert achieved.rows[2][2].startswith("unstable: 18 false matches of ")
    assert len(achieved.rows[-1]) == 2  # the reason spans the rest


def test_the_threshold_from_val_is_told_to_be_held_fixed_and_as_a_choice(files: RunFiles) -> None:
    assert files.result is not None
    *_, note, again = operating_points_section(files.result, files.metrics).blocks
    assert isinstance(note, Text)
    assert "hold the threshold fixed" in note.text
    assert VAL_AGAIN in note.text
    assert isinstance(again, Table)
    assert {row[0] for row in again.rows} >= {"Accuracy", "FMR at the threshold"}
    assert all(row[2] != row[3] for row in again.rows)
    metrics = {
        name: found.model_copy(update={"procedure": None})
        for name, found in files.result.metrics.items()
    }
    earlier = files.result.model_copy(update={"metrics": metrics})
    last = operating_points_section(earlier, files.metrics).blocks[-1]
    assert isinstance(last, Text)
    assert "how far it depends on the people in val is not in them" in last.text
