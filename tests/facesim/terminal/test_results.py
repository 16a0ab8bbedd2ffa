import io
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facesim.console import Console
from facesim.discovery import load_installed_plugins
from facesim.evaluation.baselines import Baseline
from facesim.evaluation.calibration import OperatingPoint, points_with_spread
from facesim.evaluation.differences import ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.experiment.loading import load_experiment
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.result import CurvePoint, Estimate
from facesim.interfaces.scores import LabelledScores
from facesim.report.formatting import VAL_AGAIN
from facesim.runs.run import Run
from facesim.runs.run_files import RunFiles
from facesim.terminal.results import print_result

RANDOM = np.random.default_rng(0)
SAME = np.arange(600) % 2 == 0
FIRST = RANDOM.integers(30, size=600)
load_installed_plugins()
METRICS = built_metrics(standard_metrics())


def scored(gap: float, seed: int, people: int = 30) -> LabelledScores:
    first = FIRST % people
    second = np.where(SAME, first, (first + 1) % people)
    scores = np.random.default_rng(seed).normal(size=600) + gap * SAME
    return LabelledScores.of(scores, SAME, first, second)


def at(threshold: float) -> Thresholds:
    return Thresholds([OperatingPoint(name="best_accuracy", threshold=threshold)], "val")


def baseline(name: str, gap: float, people: int = 30) -> Baseline:
    weak, trained = scored(gap, 2, people), scored(2.0, 3, people)
    return Baseline(
        name=name,
        description="a sentence",
        result=evaluate_scores(weak, METRICS, thresholds=at(gap / 2), resamples=100),
        differences=paired_differences(
            ScoredRun(weak, gap / 2), ScoredRun(trained, 1.0), METRICS, seed=0
        ),
    )


def printed(files: RunFiles, **changes: Any) -> str:
    screen = io.StringIO()
    print_result(Console(file=screen, width=100), replace(files, **changes))
    return screen.getvalue()


@pytest.fixture
def files(build_run: Callable[..., Run]) -> RunFiles:
    """A run whose metrics are those of `scored`."""
    result = evaluate_scores(scored(2.0, 3), METRICS, thresholds=at(1.0), loss=0.25)
    return replace(build_run().read(), result=result, baselines=())


def test_baselines_stand_below_the_metrics_and_the_strongest_is_compared(files: RunFiles) -> None:
    weak, strong = baseline("chance", 0.0), baseline("raw_pixels", 0.7)
    text = printed(files, baselines=(weak, strong))
    value = strong.result.metrics["accuracy"].value
    assert f"Accuracy of raw pixels │ {value:.2%}" in text
    assert text.index("Accuracy of chance") < text.index("Accuracy of raw pixels")
    gain = strong.gain("accuracy").difference or 0.0
    verdict = text.splitlines()[-1]
    assert verdict.startswith(f"Accuracy over raw pixels: {100 * gain:+.2f} points (+")
    assert verdict.endswith("better")


def test_a_difference_that_does_not_show_is_called_that(files: RunFiles) -> None:
    text = printed(files, baselines=(baseline("untouched_backbone", 2.0),))
    assert text.splitlines()[-1].endswith("no difference shown")


def test_a_difference_without_interval_says_why(files: RunFiles) -> None:
    text = printed(files, baselines=(baseline("raw_pixels", 0.7, people=2),))
    assert "without an interval: " in text.splitlines()[-1]
    assert "an interval needs 3" in text.splitlines()[-1]


def test_without_baselines_nothing_is_said_of_them(files: RunFiles) -> None:
    threshold, fixed = printed(files).splitlines()[-2:]
    assert threshold == "threshold 1 from val"
    assert "hold the threshold fixed" in fixed


def test_no_cell_of_the_result_is_blank(files: RunFiles) -> None:
    thresholds = Thresholds(points_with_spread(scored(2.0, 5)), "val")
    result = evaluate_scores(scored(2.0, 3), METRICS, thresholds=thresholds, resamples=50, loss=0.5)
    text = printed(files, result=result, baselines=(baseline("chance", 0.0),))
    table = [line for line in text.splitlines() if line.startswith("│")]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table]
    by_label = {row[0]: row[2:] for row in rows}
    assert by_label["Accuracy of chance"][1] == "not drawn again"
    assert by_label["Loss"] == ["none for a loss", "none for a loss"]
    assert by_label["Equal error rate"][1] == "uses no threshold"
    assert all(cell for row in rows for cell in row)


def test_a_threshold_is_in_the_unit_of_the_scores(files: RunFiles) -> None:
    presentation = files.training_presentation.model_copy(update={"score_unit": "cosine"})
    told = printed(replace(files, training_presentation=presentation)).splitlines()
    assert "threshold 1 (cosine) from val" in told


def test_intervals_with_val_drawn_again_have_a_column(files: RunFiles) -> None:
    assert VAL_AGAIN not in printed(files)
    thresholds = Thresholds(points_with_spread(scored(2.0, 5)), "val")
    result = evaluate_scores(scored(2.0, 3), METRICS, thresholds=thresholds, resamples=50)
    text = printed(files, result=result)
    assert VAL_AGAIN in text
    row = next(line for line in text.splitlines() if "Accuracy" in line)
    assert len(re.findall(r"[\d.]+% to [\d.]+%", row)) == 2


def test_without_a_threshold_that_is_said(files: RunFiles) -> None:
    none = Thresholds(
        [OperatingPoint(name="best_accuracy", threshold=None, reason="val has no pairs")], "val"
    )
    text = printed(files, result=evaluate_scores(scored(2.0, 3), METRICS, thresholds=none))
    assert text.splitlines()[-1] == "no threshold from val: val has no pairs"
    assert "undefined: there is no threshold" in text


@pytest.mark.parametrize("label", ["Accuracy", "Equal error rate", "ROC AUC", "FMR at the thres"])
def test_the_headline_metrics_are_named(files: RunFiles, label: str) -> None:
    assert label in printed(files)


def test_the_loss_is_a_number(files: RunFiles) -> None:
    assert "│ 0.25 │" in printed(files).replace("  ", "")


def test_what_the_protocol_adds_stands_first(files: RunFiles) -> None:
    folds = [{"fold": fold, "pairs": 24, "threshold": 0.5, "accuracy": 0.9} for fold in (1, 2)]
    details = {"folds": folds, "mean_accuracy": 0.9, "standard_error": 0.01}
    assert files.result is not None
    k_fold = load_experiment(files.path / "experiment.yaml", ["evaluate.protocol=k_fold"])
    text = printed(
        files, evaluated=k_fold, result=files.result.model_copy(update={"details": details})
    )
    assert text.index("Accuracy over 2 folds") < text.index("Balanced accuracy")
    assert "standard error 1.00%" in text


def test_each_target_far_says_what_it_rests_on(files: RunFiles) -> None:
    rows = [[cell.strip() for cell in line.split("│")] for line in printed(files).splitlines()]
    support = {row[1]: row[4] for row in rows if len(row) == 6}
    assert re.fullmatch(r"measured: 30 false matches of \d+ identities", support["1e-1"])
    assert re.fullmatch(r"unstable: 3 false matches of \d identities", support["1e-2"])
    assert support["1e-3, 1e-4, 1e-5, 1e-6"] == "not measurable"


def test_an_accuracy_on_unequal_kinds_stands_beside_the_share_of_the_larger(
    files: RunFiles,
) -> None:
    assert files.result is not None
    assert "always" not in printed(files)
    update = {"genuine": 30, "impostor": 570, "larger_class_share": 0.95}
    text = printed(files, result=files.result.model_copy(update=update))
    row = next(line for line in text.splitlines() if "always" in line)
    assert re.search(r'Accuracy of always "different" +│ +95.00%', row)


def test_a_rate_that_too_few_comparisons_support_has_no_interval(files: RunFiles) -> None:
    assert files.result is not None
    point = CurvePoint(target=0.1, support=FmrSupport(status=FmrStatus.NOT_MEASURABLE))
    rate = Estimate(value=0.25, low=0.125, high=0.5, point=point)
    name = "fnmr_at_fmr_1e-1"
    update = {"metrics": {**files.result.metrics, name: rate}, "headline": name}
    text = printed(files, result=files.result.model_copy(update=update))
    row = next(line for line in text.splitlines() if "FNMR at FMR 1e-1" in line)
    assert "not measurable" in row
    assert "12.50% to 50.00%" not in row


def test_a_value_without_an_interval_says_why_in_its_place(files: RunFiles) -> None:
    assert files.result is not None
    metrics = {**files.result.metrics, "eer": Estimate(value=0.125, reason="too few identities")}
    found = printed(files, result=files.result.model_copy(update={"metrics": metrics}))
    (line,) = (
        line for line in found.splitlines() if "Equal error rate" in line and "12.50%" in line
    )
    cells = [cell.strip() for cell in line.split("│")]
    assert cells[1:4] == ["Equal error rate", "12.50%", "too few identities"]
