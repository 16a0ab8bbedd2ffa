"""Every evaluation says what systems that learnt nothing reach on its pairs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from facesim.data.decoding import decode_image
from facesim.errors import FacesimError
from facesim.evaluation.baselines import Baseline
from facesim.experiment.loading import load_experiment
from facesim.interfaces import IMAGENET, Backbone, backbones
from facesim.interfaces.roc import Roc
from facesim.model.build import build_network
from facesim.runs.run import Run
from facesim.runs.systems import Chance, baseline_systems

SHORT = ("train.epochs=1", "sampler.pairs_per_image=0.4")


@pytest.fixture(scope="module")
def run(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("baselines")
    run = Run.begin(load_experiment(tiny_file, SHORT), out)
    run.complete()
    return run


def baselines(run: Run) -> dict[str, Baseline]:
    return {baseline.name: baseline for baseline in run.read().baselines}


def area_of(run: Run, embed: Callable[[Path], Tensor]) -> float:
    """Area under the ROC of test's pairs by the cosine of what ``embed`` gives, pair by pair."""
    pairs = pd.read_csv(run.directory.pairs_file("test"))
    root = run.experiment.data.dataset_of("test").build().root
    scores = []
    for first, second in zip(pairs["file1"], pairs["file2"], strict=True):
        a, b = (embed(root / name).double().flatten() for name in (first, second))
        scores.append(float(a @ b / (a.norm() * b.norm())))
    return Roc.of_scores(scores, pairs["same"]).area


def test_there_are_three_on_the_pairs_of_the_evaluation(run: Run) -> None:
    figures = json.loads((run.directory.evaluation("test") / "metrics.json").read_text())
    found = baselines(run)
    assert list(found) == ["chance", "raw_pixels", "untouched_backbone"]
    for baseline in found.values():
        assert (baseline.result.pairs, baseline.result.genuine) == (16, 8)
        assert baseline.result.threshold_source == "16 pairs of val"
        gain = baseline.gain("roc_auc").difference
        area = baseline.result.metrics["roc_auc"].value
        assert area is not None
        assert gain == pytest.approx(figures["metrics"]["roc_auc"]["value"] - area)


def test_raw_pixels_are_grey_mean_centred_and_small(run: Run) -> None:
    def embed(path: Path) -> Tensor:
        image = _tensor(path, 32).double()
        grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        return grey - grey.mean()

    found = baselines(run)["raw_pixels"].result.metrics["roc_auc"].value
    assert found == pytest.approx(area_of(run, embed))


def test_the_untouched_backbone_is_not_the_trained_one(run: Run) -> None:
    untouched = build_network(run.experiment, 8, torch.device("cpu")).backbone.eval()

    def embed(path: Path) -> Tensor:
        with torch.no_grad():
            features: Tensor = untouched(_tensor(path, 24)[None])
        return features

    found = baselines(run)["untouched_backbone"].result.metrics["roc_auc"].value
    assert found == pytest.approx(area_of(run, embed))


def test_each_chooses_its_threshold_on_the_images_of_val(run: Run) -> None:
    untouched = build_network(run.experiment, 8, torch.device("cpu")).backbone.eval()
    pairs = pd.read_csv(run.directory.pairs_file("val"))
    root = run.experiment.data.dataset_of("val").build().root
    scores = []
    for first, second in zip(pairs["file1"], pairs["file2"], strict=True):
        with torch.no_grad():
            a, b = (untouched(_tensor(root / name, 24)[None]) for name in (first, second))
        scores.append(torch.cosine_similarity(a, b).item())
    roc = Roc.of_scores(scores, pairs["same"])
    found = baselines(run)["untouched_backbone"].result.threshold
    assert found == pytest.approx(roc.threshold_at(roc.best_accuracy_point()), abs=1e-5)


def test_they_can_be_left_out_and_leave_no_old_file(run: Run) -> None:
    file = run.directory.evaluation("test") / "baselines.json"
    before = file.read_bytes()
    run.evaluate(overrides=["evaluate.baselines=false"])
    assert not file.exists()
    run.evaluate()
    assert file.read_bytes() == before


class Trunk(nn.Module):
    """Counts the pictures that it sees."""

    seen = 0

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        Trunk.seen += len(images)
        features: Tensor = self.conv(images)
        return features


@pytest.fixture
def counting_backbone() -> Iterator[None]:
    """Registers a backbone whose frozen trunk is `Trunk`."""
    with backbones.isolated():

        @backbones("counting")
        def counting() -> Backbone:
            tail = nn.Sequential(nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            return Backbone(Trunk(), tail, 4, IMAGENET)

        yield


@pytest.mark.usefixtures("counting_backbone")
def test_the_untouched_backbone_costs_no_pass_of_the_trunk(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = []
    for asked in ("false", "true"):
        monkeypatch.setenv("FACESIM_CACHE", str(tmp_path / asked))
        Trunk.seen = 0
        overrides = [*SHORT, "backbone=counting", "transforms=[]", f"evaluate.baselines={asked}"]
        Run.begin(load_experiment(tiny_file, overrides), tmp_path / "runs").complete()
        pictures.append(Trunk.seen)
    without, with_baselines = pictures
    # Val is opened once more, for which the shape of the trunk's output is looked up on a picture.
    assert without <= with_baselines < without + 4


def slices(run: Run) -> Any:
    return json.loads((run.directory.evaluation("test") / "slices.json").read_text())


def test_errors_are_told_by_attribute_at_the_threshold_of_the_result(run: Run) -> None:
    found = slices(run)
    figures = json.loads((run.directory.evaluation("test") / "metrics.json").read_text())
    assert found["threshold"] == figures["threshold"]
    scores = pd.read_csv(run.directory.evaluation("test") / "scores.csv")
    table = run.experiment.data.dataset_of("test").build()
    glasses = pd.Series(table.attributes["glasses"].to_numpy(), index=table.files)
    for part in found["slices"]:
        if part["attribute"] == "glasses":
            has = (glasses[scores["file1"]].to_numpy() == part["value"]) & (
                glasses[scores["file2"]].to_numpy() == part["value"]
            )
            genuine = scores[has & (scores["same"] == 1).to_numpy()]
            assert part["genuine"] == len(genuine)
            rejected = genuine["score"].astype(np.float32) < np.float32(found["threshold"])
            assert part["fnmr"]["value"] == pytest.approx(rejected.mean())


def test_slices_can_be_chosen_and_left_out(run: Run) -> None:
    def measure(asked: str) -> None:
        overrides = [f"evaluate.slices={asked}", "evaluate.baselines=false"]
        run.evaluate(overrides=overrides)

    measure("[skin, beard]")
    assert {part["attribute"] for part in slices(run)["slices"]} <= {"skin", "beard"}
    measure("false")
    assert not (run.directory.evaluation("test") / "slices.json").exists()
    measure("true")
    assert len(slices(run)["slices"]) > 2


def test_an_attribute_that_test_does_not_have_is_refused_before_anything_is_written(
    tiny_file: Path, tmp_path: Path
) -> None:
    experiment = load_experiment(tiny_file, ["evaluate.slices=[bread]"])
    with pytest.raises(FacesimError, match=r"no attribute 'bread' \(did you mean 'beard'"):
        Run.begin(experiment, tmp_path).complete()
    assert list(tmp_path.iterdir()) == []


def test_chance_follows_the_seed_of_the_evaluation_and_the_split() -> None:
    experiment = SimpleNamespace(evaluate=SimpleNamespace(seed=3))
    trained, val = (
        SimpleNamespace(split=SimpleNamespace(name="test")),
        SimpleNamespace(name="val"),
    )
    trained.experiment = experiment
    chance = next(baseline_systems(trained, val))  # type: ignore[arg-type]
    assert (chance.val, chance.test) == (Chance(3, "val"), Chance(3, "test"))


def test_chance_embeds_an_image_alike_wherever_it_stands() -> None:
    embeddings = Chance(0, "test").embed(np.array([3, 0, 3]))
    assert embeddings.shape == (3, 16)
    assert torch.equal(embeddings[0], embeddings[2])
    assert not torch.equal(embeddings[0], embeddings[1])


def _tensor(path: Path, side: int) -> Tensor:
    return torch.from_numpy(decode_image(path, (side, side))).permute(2, 0, 1)
