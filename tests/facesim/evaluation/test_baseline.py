from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesim.arrays import BoolArray, FloatArray
from facesim.errors import FacesimError
from facesim.evaluation.baseline import (
    Baseline,
    baselines_to_json,
    measure_baseline,
    read_baselines,
)
from facesim.evaluation.paired_difference import ScoredRun
from facesim.evaluation.roc import Roc

RANDOM = np.random.default_rng(0)
SAME = np.arange(600) % 2 == 0
FIRST = RANDOM.integers(30, size=600)
SECOND = np.where(SAME, FIRST, (FIRST + 7) % 30)
TRAINED = RANDOM.normal(size=600) + 3 * SAME


def draw(gap: float, seed: int) -> tuple[FloatArray, BoolArray]:
    return np.random.default_rng(seed).normal(size=600) + gap * SAME, SAME


def measured(**others: Any) -> Baseline:
    val_scores, val_same = draw(0.5, 1)
    arguments = {
        "val_scores": val_scores,
        "val_same": val_same,
        "scores": draw(0.5, 2)[0],
        "trained": ScoredRun(TRAINED, 1.5),
        "same": SAME,
        "first_identities": FIRST,
        "second_identities": SECOND,
        "seed": 0,
        "resamples": 100,
    }
    return measure_baseline("weak", "adds a little to noise", **{**arguments, **others})


def test_its_threshold_comes_from_val_and_not_from_the_pairs_it_is_measured_on() -> None:
    val = Roc.of_scores(*draw(0.5, 1))
    own = Roc.of_scores(*draw(0.5, 2))
    threshold = val.threshold_at(val.best_accuracy_point())
    assert threshold != own.threshold_at(own.best_accuracy_point())
    result = measured().result
    assert result.threshold == threshold
    assert result.threshold_source == "600 pairs of val"
    assert result.accuracy.value == ((draw(0.5, 2)[0] >= threshold) == SAME).mean()
    assert result.accuracy.low is not None


def test_the_gain_is_the_trained_system_less_the_baseline() -> None:
    baseline = measured()
    trained, result = ((TRAINED >= 1.5) == SAME).mean(), baseline.result
    gain = baseline.gain("accuracy")
    assert result.accuracy.value is not None
    assert gain.difference == pytest.approx(trained - result.accuracy.value)
    assert gain.better == "second"
    assert gain.low is not None
    assert gain.low > 0


def test_folds_give_the_k_fold_accuracy_as_well() -> None:
    result = measured(folds=np.arange(600) // 60).result
    assert result.protocol == "k_fold"
    assert result.k_fold is not None
    assert len(result.k_fold.folds) == 10


def test_the_file_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "baselines.json"
    assert read_baselines(tmp_path) == ()
    file.write_text(baselines_to_json([measured()]))
    assert read_baselines(tmp_path) == (measured(),)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "baselines.json"
    file.write_text('[{"name": "chance"}]')
    with pytest.raises(FacesimError, match=r"baselines\.json: 0\.description: Field required"):
        read_baselines(tmp_path)
