"""Thresholds know what their scores were made with, and are refused scores made otherwise."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facesim.atomic import sha256_of, write_text
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.processes import Processes
from facesim.reporters import SilentReporter
from facesim.runs.directory import RunDirectory
from facesim.runs.run import Run
from facesim.runs.session import own_result

PLUGIN = """
from pathlib import Path

import torch
from torch import nn

from facesim import Backbone, Head, Loss, Normalization, backbones, heads, losses

SCALE = <scale>


class Mean(nn.Module):
    def forward(self, images):
        return images.mean(dim=(2, 3))


@backbones("mean_colour")
def mean_colour():
    return Backbone(nn.Identity(), Mean(), 3, Normalization((<mean>, 0.0, 0.0), (1.0, 1.0, 1.0)))


@heads("scaled")
class Scaled(Head):
    def __init__(self, features, *, times: float = 1.0):
        super().__init__()
        self.times = nn.Parameter(torch.tensor(times))

    def forward(self, features):
        return features * self.times


@losses("distance", packages=<packages>)
class Distance(Loss):
    def __init__(self, embedding_dim, num_identities, *, power: float = 1.0):
        super().__init__()
        self.power = power

    def forward(self, embeddings, batch):
        return embeddings.square().mean()

    def score(self, a, b):
        return -SCALE * torch.linalg.vector_norm(a - b, dim=1) ** self.power
"""

EXPERIMENT = """
name: coloured
plugins: [./plugin.py]
data:
  train: {name: synthetic_faces, identities: 4, images_per_identity: 4, size: 16}
  val: {name: synthetic_faces, identities: 12, images_per_identity: 4, first_identity: 4, size: 16}
  test: {name: synthetic_faces, identities: 9, images_per_identity: 4, first_identity: 40, size: 16}
  workers: 0
image: {size: [16, 16]}
backbone: mean_colour
head: {name: scaled, times: 2.0}
loss: {name: distance, power: 1.0}
sampler: {name: random_pairs, pairs_per_image: 1.0}
optimizer: adam
train: {epochs: 0, batch_size: 8}
evaluate: {baselines: false, slices: false}
"""


class Heard(SilentReporter):
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an experiment with its plugin and its run."""
    folder = tmp_path_factory.mktemp("coloured")
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    write_plugin(folder)
    run = Run.begin(load_experiment(folder / "experiment.yaml"), folder / "runs")
    run.complete()
    run.path.rename(folder / "run")
    return folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """The same, which a test may change."""
    files = [made / "plugin.py", *(made / "run").glob("[ce]*.[jy]*")]
    before = {file: file.read_bytes() for file in files}
    yield made
    for file, content in before.items():
        write_text(file, content.decode())


def write_plugin(folder: Path, **changes: object) -> None:
    values = {"scale": 1.0, "mean": 0.5, "packages": (), **changes}
    text = PLUGIN
    for name, value in values.items():
        text = text.replace(f"<{name}>", repr(value))
    (folder / "plugin.py").write_text(text)


def evaluated(folder: Path, *, recalibrate: bool = False) -> str:
    """What is said while the run is evaluated with its own thresholds, or with new ones."""
    heard = Heard()
    run = Run.open(folder / "run", Processes(heard), trust=True)  # some edit the plugin
    run.evaluate(name="again", overrides=["evaluate.seed=1"], recalibrate=recalibrate)
    return "\n".join(heard.lines)


def edit_calibration(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "run" / "calibration.json"
    content = json.loads(file.read_text())
    edit(content["provenance"])
    write_text(file, json.dumps(content))


def test_unchanged_scores_keep_their_thresholds_and_nothing_is_said(folder: Path) -> None:
    assert "thresholds" not in evaluated(folder)
    recorded = json.loads((folder / "run" / "calibration.json").read_text())["provenance"]
    assert set(recorded["plugins"]) == {"backbone", "head", "loss"}
    assert recorded["plugins"]["head"]["node"] == {"name": "scaled", "times": 2.0}
    assert recorded["normalization"] == {"mean": [0.5, 0, 0], "std": [1, 1, 1]}


def test_a_plugin_whose_score_was_halved_is_refused_and_named(folder: Path) -> None:
    write_plugin(folder, scale=0.5)
    with pytest.raises(FacesimError) as refused:
        evaluated(folder)
    assert "code of the loss 'distance': " in str(refused.value)
    assert "add --recalibrate" in str(refused.value)
    assert "loss.power" not in str(refused.value)
    evaluated(folder, recalibrate=True)


def test_a_changed_normalisation_is_called_that_and_not_another_trunk(folder: Path) -> None:
    write_plugin(folder, mean=0.25)
    with pytest.raises(FacesimError, match="trained with another normalisation") as refused:
        evaluated(folder)
    assert "mean [0.5, 0.0, 0.0]" in str(refused.value)
    assert "the backbone has mean [0.25, 0.0, 0.0]" in str(refused.value)
    assert "trunk" not in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("power: 1.0", "power: 2.0", "loss.power: 1.0 -> 2.0"),
        ("times: 2.0", "times: 3.0", "head.times: 2.0 -> 3.0"),
    ],
)
def test_a_changed_parameter_is_named_with_both_values(
    folder: Path, before: str, after: str, told: str
) -> None:
    """A resolved experiment that was edited by hand."""
    file = folder / "run" / "experiment.yaml"
    text = file.read_text()
    assert before in text
    write_text(file, text.replace(before, after))
    with pytest.raises(FacesimError) as refused:
        evaluated(folder)
    assert told in str(refused.value)
    assert "code of" not in str(refused.value)


def test_thresholds_of_before_are_used_and_that_is_said(folder: Path) -> None:
    edit_calibration(folder, lambda it: (it.pop("plugins"), it.pop("normalization")))
    assert "calibration.json: the thresholds were chosen by a facesim that did not" in evaluated(
        folder
    )


def test_another_version_of_what_the_loss_depends_on_is_refused(folder: Path) -> None:
    write_plugin(folder, packages=("numpy",))
    evaluated(folder, recalibrate=True)  # the code has changed by this
    chosen = (folder / "run" / "eval" / "again" / "calibration.json").read_text()
    write_text(folder / "run" / "calibration.json", chosen)
    edit_calibration(folder, lambda it: it["plugins"]["loss"]["packages"].update(numpy="0.1"))
    with pytest.raises(FacesimError, match=r"version of numpy: 0\.1 -> \d"):
        evaluated(folder)


def test_another_version_with_the_same_code_is_said(folder: Path) -> None:
    edit_calibration(folder, lambda it: it["plugins"]["loss"]["distribution"].update(mine="0.1"))
    assert "mine 0.1 -> nothing since the thresholds were chosen; the code" in evaluated(folder)


def test_a_run_of_before_recorded_the_digest_of_the_checkpoint_file(folder: Path) -> None:
    of_the_file = sha256_of(folder / "run" / "checkpoints" / "best.pt")
    edit_calibration(folder, lambda made: made.update(checkpoint=of_the_file))
    assert "thresholds" not in evaluated(folder)
    assert own_result(RunDirectory(folder / "run")) is not None
    edit_calibration(folder, lambda made: made.update(checkpoint="0" * 64))
    with pytest.raises(FacesimError, match="checkpoint: 0000000000000000 -> "):
        evaluated(folder)
    assert own_result(RunDirectory(folder / "run")) is None
