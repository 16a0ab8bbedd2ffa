import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from pydantic_core import to_json
from torch import Tensor

from facesim.arrays import FloatArray, Int64Array
from facesim.discovery import load_installed_plugins
from facesim.evaluation.baselines import (
    Baseline,
    BaselineSystem,
    KeptCurve,
    measure_baseline,
    raw_pixels,
    untouched_backbone,
)
from facesim.evaluation.calibration import OperatingPoint
from facesim.evaluation.evaluate import Thresholds
from facesim.evaluation.task import EvaluationTask
from facesim.experiment.schema import Experiment
from facesim.interfaces import FaceTable, PairSet, protocols
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.protocol import Comparisons, ScoredPairs, System
from facesim.interfaces.roc import Roc
from facesim.model.build import build_network
from facesim.model.network import NetworkInput

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
    found, scores = measure_baseline(weak, pairs, task, trained)
    np.testing.assert_array_equal(scores, draw(0.5, 2))
    return found


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


def test_a_baseline_keeps_its_curve_on_the_pairs_and_reads_it_again() -> None:
    found = measured()
    whole = Roc.of_scores(draw(0.5, 2), SAME)
    again = Baseline.model_validate_json(found.model_dump_json())
    assert again == found
    assert again.curve is not None
    roc = again.curve.roc()
    assert (roc.genuine, roc.impostor) == (whole.genuine, whole.impostor)
    assert len(roc) < len(whole)
    at = np.searchsorted(-whole.thresholds, -roc.thresholds)
    assert np.array_equal(whole.thresholds[at], roc.thresholds)
    assert np.array_equal(whole.true_accepts[at], roc.true_accepts)
    assert np.array_equal(whole.false_accepts[at], roc.false_accepts)
    assert abs(roc.area - whole.area) < 0.002


def test_a_long_curve_is_kept_in_a_few_hundred_points_of_roc_and_det() -> None:
    rng = np.random.default_rng(0)
    same = np.arange(100_000) % 2 == 0
    whole = Roc.of_scores(rng.normal(size=100_000) + 2 * same, same)
    kept = KeptCurve.of(whole)
    assert kept is not None
    assert 600 <= len(kept.thresholds) <= 1200
    roc = kept.roc()
    for rate in (roc.fmr, roc.fnmr):  # no gap that a logarithmic axis would show
        steps = np.diff(np.log10(rate[(rate > 1e-4) & (rate < 1)]))
        assert np.abs(steps).max() < 0.1


def test_a_curve_needs_pairs_of_both_kinds_and_a_number_per_threshold() -> None:
    assert KeptCurve.of(Roc.of_scores(np.array([0.5]), np.array([True]))) is None
    with pytest.raises(ValidationError, match="one number of either kind"):
        KeptCurve(thresholds=(0.5,), true_accepts=(1, 2), false_accepts=(0,))
    with pytest.raises(ValidationError, match="one number of either kind"):
        KeptCurve(thresholds=(), true_accepts=(), false_accepts=())


def test_a_baseline_of_an_earlier_version_has_no_curve() -> None:
    earlier = measured().model_dump(mode="json", exclude={"curve"})
    assert Baseline.model_validate_json(to_json(earlier)).curve is None


def test_folds_give_the_k_fold_accuracy_as_well() -> None:
    result = measured("k_fold", fold=np.arange(600) // 60).result
    assert result.protocol == "k_fold"
    folds = result.details["folds"]
    assert isinstance(folds, list)
    assert len(folds) == 10


CPU = torch.device("cpu")


def pictures(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)


def naive_correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation of the grey values of two pictures."""
    rows = []
    for picture in (first, second):
        red, green, blue = picture.double().flatten(1).tolist()
        grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in zip(red, green, blue, strict=True)]
        mean = sum(grey) / len(grey)
        rows.append([value - mean for value in grey])
    a, b = rows
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return float(product / (math.hypot(*a) * math.hypot(*b)))


def test_raw_pixels_score_by_the_correlation_of_grey_values() -> None:
    network, images = raw_pixels(CPU).eval(), pictures(6)
    images[1] = images[0] // 2 + 60  # darker and flatter
    embeddings = network(NetworkInput(images, "pixels")).embeddings
    scores = network.loss.score(embeddings[0:6:2], embeddings[1:6:2])
    expected = [naive_correlation(images[i], images[i + 1]) for i in (0, 2, 4)]
    assert scores.tolist() == pytest.approx(expected, abs=1e-4)
    assert scores[0] > 0.999


def test_a_picture_of_one_grey_is_like_no_other() -> None:
    network = raw_pixels(CPU).eval()
    images = pictures(2)
    images[0] = 128
    embeddings = network(NetworkInput(images, "pixels")).embeddings
    assert network.loss.score(embeddings[:1], embeddings[1:]).abs() < 1e-3


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    load_installed_plugins()
    faces = {"name": "synthetic_faces", "identities": 2, "size": 32, "root": str(tmp_path)}
    return Experiment.model_validate(
        {
            "name": "t",
            "seed": 3,
            "data": {"train": faces, "val": faces, "test": faces},
            "backbone": {"name": "small_cnn", "width": 4},
            "head": "linear",
            "sampler": {"name": "random_pairs", "pairs_per_image": 1.0},
            "loss": "contrastive",
            "optimizer": "adam",
            "train": {"epochs": 1, "batch_size": 2},
        }
    )


def test_the_untouched_backbone_is_the_one_that_training_begins_with(
    experiment: Experiment,
) -> None:
    before = torch.get_rng_state()
    untouched = untouched_backbone(experiment, CPU).eval()
    assert torch.equal(torch.get_rng_state(), before)
    trained = build_network(experiment, 2, CPU).eval()
    images = pictures(4)
    embeddings = untouched(NetworkInput(images, "pixels")).embeddings
    assert torch.equal(embeddings, trained.backbone(images))
    assert untouched.embedding_dim == trained.backbone.features
