import io
from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from facesim.discovery import load_installed_plugins
from facesim.evaluation.baselines import Baseline
from facesim.evaluation.differences import ScoredRun, paired_differences
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.evaluation.operating_points import OperatingPoint
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.scores import LabelledScores
from facesim.page import Card
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
            ScoredRun(weak, gap / 2), ScoredRun(trained, 1.0), METRICS, seed=0, resamples=100
        ),
    )


def printed(*baselines: Baseline, cards: Sequence[Card] = ()) -> str:
    result = evaluate_scores(scored(2.0, 3), METRICS, thresholds=at(1.0))
    console = Console(file=io.StringIO(), width=100)
    print_result(console, "test", result, baselines, cards)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_baselines_stand_below_the_metrics_and_the_strongest_is_compared() -> None:
    weak, strong = baseline("chance", 0.0), baseline("raw_pixels", 0.7)
    text = printed(weak, strong)
    value = strong.result.metrics["accuracy"].value
    assert f"Accuracy of raw pixels │ {value:.4f}" in text
    assert text.index("Accuracy of chance") < text.index("Accuracy of raw pixels")
    gain = strong.gain("accuracy").difference
    assert text.splitlines()[-1].startswith(f"Accuracy against raw pixels: {gain:+.4f} (+")
    assert "no difference" not in text


def test_a_difference_that_does_not_show_is_called_that() -> None:
    assert "which shows no difference" in printed(baseline("untouched_backbone", 2.0))


def test_a_difference_without_interval_says_why() -> None:
    assert "an interval needs 3)" in printed(baseline("raw_pixels", 0.7, people=2))


def test_without_baselines_nothing_is_said_of_them() -> None:
    assert printed().splitlines()[-1].startswith("threshold 1.0000 from")


@pytest.mark.parametrize("label", ["Accuracy", "Equal error rate", "ROC AUC", "FMR at the thres"])
def test_the_headline_metrics_are_named(label: str) -> None:
    assert label in printed()


def test_what_the_protocol_adds_stands_first() -> None:
    text = printed(cards=[Card("Accuracy over 10 folds", "90.00%", "standard error 1.00%")])
    assert text.index("Accuracy over 10 folds") < text.index("Balanced accuracy")
    assert "standard error 1.00%" in text
