"""A trained run measured: on its own data, on other data, by every protocol."""

import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from facesim.atomic import MANIFEST, write_text
from facesim.data.linter.findings import ProtocolError
from facesim.errors import DataError, FacesimError
from facesim.experiment.loading import load_experiment
from facesim.interfaces.result import EvaluationResult
from facesim.model.network import NetworkInput, NetworkOutput, SiameseNetwork
from facesim.runs.run import Run
from facesim.training.checkpoint import read_checkpoint
from facesim_plugins.protocols.k_fold import KFoldAccuracy

BRIGHTNESS = '''
"""The embedding of a picture is its brightness, times a number that is trained."""

import torch
from torch import nn

from facesim import Backbone, Normalization, backbones, heads
from facesim_plugins.protocols.k_fold import KFoldAccuracy


class Mean(nn.Module):
    def forward(self, images):
        return images.mean(dim=(1, 2, 3), keepdim=False).unsqueeze(1)


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, features):
        return features * self.scale


@backbones("brightness")
def brightness():
    return Backbone(nn.Identity(), Mean(), 1, Normalization((0, 0, 0), (1 / 255,) * 3))


@heads("scale")
def scale(features):
    return Scale()
'''

EXPERIMENT = """
name: grey
plugins: [./brightness.py]
data:
  train: {{name: folder, root: {root}/train}}
  val: {{name: folder, root: {root}/val}}
  test: {{name: folder, root: {root}/test}}
  workers: 0
image: {{size: [8, 8]}}
backbone: brightness
head: scale
sampler: {{name: random_pairs, pairs_per_image: 1.0}}
loss: contrastive
optimizer: {{name: adam, lr: 1.0e-5}}
train: {{epochs: 1, batch_size: 8}}
evaluate: {{pairs_per_image: 2.0, same_fraction: 0.25}}
"""

LFW = {"Ann": (100, 105, 65), "Bob": (115, 130), "Cy": (20, 25, 30), "Di": (65, 85)}

PAIRS = """2\t2
Ann\t1\t2
Bob\t1\t2
Ann\t2\tBob\t1
Ann\t3\tBob\t1
Cy\t1\t2
Cy\t2\t3
Cy\t1\tDi\t1
Cy\t2\tDi\t2
"""


def save(path: Path, brightness: int, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), (brightness,) * 3).save(path)


def train_grey(folder: Path) -> Path:
    (folder / "brightness.py").write_text(BRIGHTNESS)
    (folder / "grey.yaml").write_text(EXPERIMENT.format(root=folder))
    for split, offset in (("train", 0), ("val", 4), ("test", 8)):
        for person in range(4):
            for number in range(4):
                grey = 10 + 50 * person + 6 * number + offset // 4
                save(folder / split / f"{split}{person}" / f"{number}.png", grey)
    for name, greys in LFW.items():
        for number, grey in enumerate(greys, start=1):
            save(folder / "lfw" / name / f"{name}_{number:04d}.png", grey)
    (folder / "pairs.txt").write_text(PAIRS)
    experiment = load_experiment(folder / "grey.yaml")
    run = Run.begin(experiment, folder / "runs")
    run.complete()
    return run.path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """The folder of a run; it is trained when it is first asked for."""
    done: list[Path] = []

    def once() -> Path:
        if not done:
            done.append(train_grey(tmp_path_factory.mktemp("grey")))
        return done[0]

    return once


@pytest.fixture
def run(trained: Callable[[], Path], tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    path = tmp_path / "run"
    shutil.copytree(trained(), path)
    return Run.open(path)


@pytest.fixture
def data(trained: Callable[[], Path]) -> Path:
    """Where the pictures are."""
    return trained().parents[2]


def measured(run: Run, *overrides: str, **settings: Any) -> EvaluationResult:
    return run.evaluate(overrides=overrides, **settings)[1]


def lfw(data: Path) -> str:
    return f"data.test={{name: lfw, root: {data}/lfw, pairs: {data}/pairs.txt}}"


def listed(folder: Path, *rows: str) -> str:
    path = folder / "list.csv"
    path.write_text("\n".join(["file1,file2,same", *rows]) + "\n")
    return f"evaluate.test_pairs={path}"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def test_the_own_evaluation_repeats_itself(run: Run) -> None:
    before = contents(run.path)
    result = measured(run)
    assert contents(run.path) == before
    assert (result.protocol, result.details) == ("pairs", {})
    assert result == EvaluationResult.model_validate_json(
        (run.directory.evaluation("test") / "metrics.json").read_bytes()
    )


def test_a_second_evaluation_runs_no_network(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = measured(run)

    def refuse(network: SiameseNetwork, inputs: NetworkInput) -> NetworkOutput:
        raise AssertionError("an image went through the network")

    monkeypatch.setattr(SiameseNetwork, "forward", refuse)
    assert measured(run) == expected


def test_other_data_goes_to_a_folder_of_its_own_with_the_thresholds_of_the_run(
    run: Run, data: Path
) -> None:
    before = contents(run.path)
    result = measured(run, lfw(data), name="lfw")
    after = contents(run.path)
    assert {name for name in after if name not in before} == {
        "pairs/lfw.csv",
        "eval/lfw/baselines.json",
        "eval/lfw/experiment.yaml",
        "eval/lfw/identities.json",
        "eval/lfw/lint.json",
        "eval/lfw/metrics.json",
        "eval/lfw/presentation.json",
        "eval/lfw/scores.csv",
    }
    assert {name: after[name] for name in before} == before
    assert (result.pairs, result.genuine, result.identities) == (8, 4, 4)
    calibration = json.loads(before["calibration.json"])
    assert result.threshold == calibration["operating_points"][0]["threshold"]
    evaluated = load_experiment(run.directory.evaluation("lfw") / "experiment.yaml")
    assert evaluated.data.dataset_of("test").name == "lfw"
    scores = pd.read_csv(run.directory.evaluation("lfw") / "scores.csv")
    assert scores["fold"].tolist() == [0] * 4 + [1] * 4
    assert scores["file1"][0] == "Ann/Ann_0001.png"


def test_baselines_have_their_thresholds_from_the_pairs_of_val_that_the_run_has(run: Run) -> None:
    """Where test's pairs are drawn in other shares, val's are not drawn again for baselines."""
    name = "few"
    measured(run, "evaluate.same_fraction=0.1", name=name)
    assert not (run.directory.evaluation(name) / "val_pairs.csv").exists()
    own, few = (run.read(each).baselines for each in ("test", name))
    assert [each.name for each in own] == ["chance", "raw_pixels", "untouched_backbone"]
    for ours, theirs in zip(own, few, strict=True):
        assert ours.result.impostor != theirs.result.impostor
        assert ours.result.threshold_source == theirs.result.threshold_source
        assert [at.threshold for at in ours.result.operating_points] == [
            at.threshold for at in theirs.result.operating_points
        ]


def test_all_choose_new_thresholds_on_the_same_new_pairs_of_val(run: Run) -> None:
    measured(run, "evaluate.same_fraction=0.1", name="few", recalibrate=True)
    files = run.read("few")
    assert files.calibration is not None
    assert (files.calibration.pairs, files.calibration.genuine) == (32, 3)
    assert {each.result.threshold_source for each in files.baselines} == {"32 pairs of val"}


def test_baselines_are_refused_other_pairs_of_val_than_the_thresholds_were_chosen_on(
    run: Run,
) -> None:
    file = run.directory.pairs_file("val")
    lines = file.read_text().splitlines(keepends=True)
    write_text(file, "".join(lines[:-1]))
    with pytest.raises(FacesimError, match=r"val\.csv does not hold the pairs that the thresholds"):
        measured(run, "evaluate.same_fraction=0.1", name="few")
    measured(run, "evaluate.same_fraction=0.1", "evaluate.baselines=false", name="few")


def test_k_fold_gives_the_mean_and_standard_error_computed_by_hand(run: Run, data: Path) -> None:
    """Differences of brightness, in steps of 5, genuine and impostor: 1 3 | 2 10 and 1 1 | 9 12.

    The second fold puts the threshold between 1 and 9, so that of the first 2 is accepted, and 3
    of 4 are right. The first puts it between 1 and 2 (as good as between 3 and 10, and accepting
    less), and of the second all are right.
    """
    result = measured(run, lfw(data), "evaluate.protocol=k_fold", name="lfw-folds")
    assert result.protocol == "k_fold"
    found = KFoldAccuracy.model_validate(result.details)
    assert [fold.accuracy for fold in found.folds] == [0.75, 1.0]
    assert found.mean_accuracy == 0.875
    assert found.standard_error == pytest.approx(0.125)
    first, second = found.folds
    assert first.threshold / second.threshold == pytest.approx(5.0 / 1.5, rel=1e-5)
    written = json.loads((run.directory.evaluation("lfw-folds") / "metrics.json").read_text())
    assert written["details"]["standard_error"] == pytest.approx(0.125)


def test_exhaustive_compares_every_pair_and_keeps_no_scores(run: Run, data: Path) -> None:
    overrides = (lfw(data), "evaluate.protocol=exhaustive")
    result = measured(run, *overrides, name="all")
    assert (result.protocol, result.pairs, result.loss) == ("exhaustive", 45, None)
    assert result.larger_class_share == (45 - 8) / 45
    assert next(iter(run.read("all").metrics)) == result.headline == "fnmr_at_fmr_1e-1"
    names = {path.name for path in run.directory.evaluation("all").iterdir()}
    assert names == {"experiment.yaml", "lint.json", "metrics.json", "presentation.json"}
    assert not run.directory.pairs_file("all").exists()
    files = [
        f"{name}/{name}_{number + 1:04d}.png" for name in LFW for number in range(len(LFW[name]))
    ]
    rows = [f"{a},{b},{int(a[0] == b[0])}" for a, b in combinations(files, 2)]
    alike = measured(run, lfw(data), listed(data, *rows), name="listed")
    for name in ("accuracy", "fmr", "tar", "roc_auc", "eer"):
        ours, theirs = result.metrics[name], alike.metrics[name]
        assert (ours.value, ours.low, ours.high) == pytest.approx(
            (theirs.value, theirs.low, theirs.high), nan_ok=True
        )


ODD = (
    "test0/0.png,test0/1.png,1",
    "test0/0.png,test1/0.png,1",
    "test2/0.png,test2/1.png,0",
    "test2/0.png,test3/1.png,0",
)


def test_a_list_with_contradictory_pairs_is_refused_with_the_rows(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError) as error:
        measured(run, listed(tmp_path, *ODD), name="listed")
    text = str(error.value)
    assert "contradictory_pair: listed has 2 pairs against the identities" in text
    assert "test0/0.png - test1/0.png (genuine)" in text
    assert "test2/0.png - test2/1.png (impostor)" in text
    assert "lint: {contradictory_pair: warning}" in text
    assert not (run.directory.evaluation("listed") / "metrics.json").exists()


def test_a_name_whose_evaluation_came_to_no_end_is_free(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError):
        measured(run, listed(tmp_path, *ODD), name="listed")
    assert len(run.directory.pairs_file("listed").read_text().splitlines()) == 5
    assert measured(run, listed(tmp_path, ODD[0], ODD[3]), name="listed").pairs == 2


def test_a_rule_that_is_a_warning_lets_the_list_count_as_it_stands(
    run: Run, tmp_path: Path
) -> None:
    result = measured(run, listed(tmp_path, *ODD), "lint.contradictory_pair=warning", name="listed")
    assert (result.pairs, result.genuine, result.impostor) == (4, 2, 2)
    lint = json.loads((run.directory.evaluation("listed") / "lint.json").read_text())
    assert ("contradictory_pair", "warning") in {
        (finding["rule"], finding["severity"]) for finding in lint["findings"]
    }


def test_thresholds_from_the_data_that_they_are_applied_to_are_refused(
    run: Run, data: Path
) -> None:
    with pytest.raises(ProtocolError, match="threshold_from_same_images: val and again are the"):
        measured(run, f"data.test={{name: folder, root: {data}/val}}", name="again")


def test_folds_that_share_identities_are_refused(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS.replace("Cy\t2\tDi\t2", "Cy\t2\tBob\t2"))
    test = f"data.test={{name: lfw, root: {data}/lfw, pairs: {tmp_path}/pairs.txt}}"
    with pytest.raises(ProtocolError, match=r"identity_in_two_folds: lfw has 1 identity in"):
        measured(run, test, name="lfw")


def test_k_fold_of_drawn_pairs_is_refused(run: Run) -> None:
    with pytest.raises(FacesimError, match="k_fold needs pairs in two folds or more"):
        measured(run, "evaluate.protocol=k_fold", name="folds")


def test_thresholds_of_another_preprocessing_do_not_apply_until_val_is_evaluated_again(
    run: Run, data: Path
) -> None:
    changes = (lfw(data), "image.crop=[1, 1, 6, 6]")
    before = contents(run.path)
    with pytest.raises(FacesimError) as error:
        measured(run, *changes, name="cropped")
    assert "preprocessing.crop: null -> [1, 1, 6, 6]\n" in str(error.value)
    assert "add --recalibrate to choose new ones on val; where val's images" in str(error.value)
    measured(run, *changes, name="cropped", recalibrate=True)
    after = contents(run.path)
    assert {name: after[name] for name in before} == before
    ours, theirs = (
        json.loads(after[name]) for name in ("eval/cropped/calibration.json", "calibration.json")
    )
    assert "6" in ours["provenance"]["preprocessing"]
    assert ours["pairs_sha256"] == theirs["pairs_sha256"]


def test_val_may_be_other_images_that_the_changed_preprocessing_fits(
    run: Run, data: Path, tmp_path: Path
) -> None:
    for name, greys in LFW.items():
        for number, grey in enumerate(greys, start=1):
            for split, brighter in (("val", 0), ("test", 100)):
                file = tmp_path / split / f"{name} of {split}" / f"{split}{number}.png"
                save(file, grey + number + brighter, size=30)
    changes = (
        f"data.test={{name: folder, root: {tmp_path}/test}}",
        "image.crop=[20, 20, 9, 9]",
        "lint.near_image_in_two_splits=off",  # plain grey images all look alike
    )
    with pytest.raises(DataError, match=r"the crop .* exceeds the image"):
        measured(run, *changes, name="framed", recalibrate=True)
    val = f"data.val={{name: folder, root: {tmp_path}/val}}"
    with pytest.raises(FacesimError, match=r"data\.val\.root changes, but val is not evaluated"):
        measured(run, *changes, val, name="framed")
    before = run.directory.pairs_file("val").read_bytes()
    measured(run, *changes, val, name="framed", recalibrate=True)
    assert run.directory.pairs_file("val").read_bytes() == before
    assert (
        "Ann of val/val1.png" in (run.directory.evaluation("framed") / "val_pairs.csv").read_text()
    )


def test_another_checkpoint_needs_thresholds_of_its_own(run: Run) -> None:
    content = read_checkpoint(run.checkpoints.file("last"))
    content["network"]["head.scale"] *= 2
    torch.save(content, run.checkpoints.file("other"))
    with pytest.raises(FacesimError, match=r"  checkpoint: \w+ -> \w+\nadd --recalibrate"):
        measured(run, name="doubled", checkpoint="other")
    before = (run.path / "calibration.json").read_bytes()
    result = measured(run, name="doubled", checkpoint="other", recalibrate=True)
    assert (run.path / "calibration.json").read_bytes() == before
    own = measured(run)
    assert own.threshold is not None
    assert result.threshold == pytest.approx(2 * own.threshold)
    assert result.metrics["accuracy"] == own.metrics["accuracy"]


def test_a_run_without_thresholds_says_how_to_get_them(run: Run, data: Path) -> None:
    (run.path / "calibration.json").unlink()
    with pytest.raises(
        FacesimError, match=r"has no thresholds yet, there is no calibration\.json; evaluate"
    ):
        measured(run, lfw(data), name="lfw")
