import io

import numpy as np
import pytest
from rich.console import Console

from facesim.arrays import FloatArray
from facesim.evaluation.baseline import Baseline, measure_baseline
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.operating_points import OperatingPoint
from facesim.evaluation.paired_difference import ScoredRun
from facesim.terminal.results import print_result

RANDOM = np.random.default_rng(0)
SAME = np.arange(600) % 2 == 0
FIRST = RANDOM.integers(30, size=600)
SECOND = np.where(SAME, FIRST, (FIRST + 7) % 30)


def scores_of(gap: float, seed: int) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=600) + gap * SAME)


def baseline(name: str, gap: float, people: int = 30) -> Baseline:
    return measure_baseline(
        name,
        "a sentence",
        val_scores=scores_of(gap, 1),
        val_same=SAME,
        scores=scores_of(gap, 2),
        trained=ScoredRun(scores_of(2.0, 3), 1.0),
        same=SAME,
        first_identities=FIRST % people,
        second_identities=np.where(SAME, FIRST, FIRST + 1) % people,
        seed=0,
        resamples=100,
    )


def printed(*baselines: Baseline) -> str:
    point = OperatingPoint(name="best_accuracy", threshold=1.0)
    result = evaluate_scores(scores_of(2.0, 3), SAME, FIRST, SECOND, operating_points=[point])
    console = Console(file=io.StringIO(), width=100)
    print_result(console, "test", result, baselines)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_baselines_stand_below_the_figures_and_the_strongest_is_compared() -> None:
    weak, strong = baseline("chance", 0.0), baseline("raw_pixels", 0.7)
    text = printed(weak, strong)
    value = strong.result.accuracy.value
    assert f"accuracy of raw pixels   │ {value:.4f}" in text
    assert text.index("accuracy of chance") < text.index("accuracy of raw pixels")
    gain = strong.gain("accuracy").difference
    assert text.splitlines()[-1].startswith(f"accuracy gained over raw pixels: {gain:+.4f} (+")
    assert "no difference" not in text


def test_a_gain_that_may_be_luck_is_called_that() -> None:
    assert "which shows no difference" in printed(baseline("untouched_backbone", 2.0))


def test_a_gain_without_interval_says_why() -> None:
    assert "an interval needs 3)" in printed(baseline("raw_pixels", 0.7, people=2))


def test_without_baselines_nothing_is_said_of_them() -> None:
    assert printed().splitlines()[-1].startswith("threshold 1.0000 from")


@pytest.mark.parametrize("name", ["accuracy", "equal error rate", "area under the ROC curve"])
def test_the_figures_are_named(name: str) -> None:
    assert name in printed()
