from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim.arrays import FloatArray, Int64Array
from facesim.discovery import load_installed_plugins
from facesim.evaluation.baselines import (
    Baseline,
    BaselineSystem,
    measure_baseline,
)
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.operating_points import OperatingPoint
from facesim.evaluation.task import EvaluationTask
from facesim.interfaces import FaceTable, PairSet, protocols
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.protocol import Comparisons, ScoredPairs, System
from facesim.interfaces.roc import Roc

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
RANDOM = np.random.default_rng(0)
SAME = np.arange(600) % 2 == 0
IDENTITIES = np.arange(120) % 30
FIRST = RANDOM.integers(120, size=600)
ROWS = np.stack([FIRST, np.where(SAME, FIRST + 30, FIRST + 7) % 120], axis=1)
TRAINED = RANDOM.normal(size=600) + 3 * SAME
TABLE = FaceTable(
    Path(), np.array([f"{row}.png" for row in range(120)]), IDENTITIES, np.arange(30).astype(str)
)


def draw(gap: float, seed: int) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=600) + gap * SAME)


class Given(System):
    """A system whose scores of the pairs are given."""

    def __init__(self, scores: FloatArray) -> None:
        self.scores = scores

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def embed(self, rows: Int64Array) -> Tensor:
        raise NotImplementedError

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    def score_pairs(self, pairs: PairSet) -> ScoredPairs:
        return ScoredPairs(pairs, self.scores)


def measured(protocol: str = "pairs", fold: Int64Array | None = None) -> Baseline:
    pairs = PairSet(ROWS, SAME, fold)
    task = EvaluationTask(
        protocols.spec(protocol), Comparisons(pairs), TABLE, METRICS, seed=0, resamples=100
    )
    chosen = Thresholds([OperatingPoint(name="best_accuracy", threshold=1.5)], "val")
    trained = task.measure(Given(TRAINED), chosen)
    weak = BaselineSystem(
        "weak", "adds a little to noise", Given(draw(0.5, 1)), Given(draw(0.5, 2))
    )
    return measure_baseline(weak, pairs, task, trained)


def test_its_threshold_comes_from_val_and_not_from_the_pairs_it_is_measured_on() -> None:
    val = Roc.of_scores(draw(0.5, 1), SAME)
    own = Roc.of_scores(draw(0.5, 2), SAME)
    threshold = val.threshold_at(val.best_accuracy_point())
    assert threshold != own.threshold_at(own.best_accuracy_point())
    result = measured().result
    assert result.threshold == threshold
    assert result.threshold_source == "600 pairs of val"
    assert result.metrics["accuracy"].value == ((draw(0.5, 2) >= threshold) == SAME).mean()
    assert result.metrics["accuracy"].low is not None


def test_the_gain_is_the_trained_system_less_the_baseline() -> None:
    baseline = measured()
    trained, own = ((TRAINED >= 1.5) == SAME).mean(), baseline.result.metrics["accuracy"]
    gain = baseline.gain("accuracy")
    assert own.value is not None
    assert gain.difference == pytest.approx(trained - own.value)
    assert gain.better == "second"
    assert gain.low is not None
    assert gain.low > 0


def test_folds_give_the_k_fold_accuracy_as_well() -> None:
    result = measured("k_fold", fold=np.arange(600) // 60).result
    assert result.protocol == "k_fold"
    folds = result.details["folds"]
    assert isinstance(folds, list)
    assert len(folds) == 10
