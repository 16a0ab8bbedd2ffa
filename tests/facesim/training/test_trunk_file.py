"""A run keeps its frozen trunk, and never goes on with another."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import IMAGENET, Backbone, backbones
from facesim.processes import Processes
from facesim.runs.directory import RunDirectory
from facesim.runs.evaluation import evaluate_run
from facesim.runs.run import resume_run, start_run
from facesim.training.build import prepare
from facesim.training.checkpoint import read_checkpoint, restore_checkpoint

_BUILDS = itertools.count(1)


def other_trunk_each_time() -> Backbone:
    """Its weights file changes, so to speak, each time before it is read."""
    trunk = nn.Conv2d(3, 6, 3, stride=2)
    nn.init.normal_(trunk.weight, std=0.1 * next(_BUILDS))
    tail = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(trunk, tail, 6, IMAGENET)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with backbones.isolated():
        backbones("other_trunk_each_time")(other_trunk_each_time)
        yield


@pytest.fixture
def experiment(tiny_file: Path) -> Experiment:
    changes = ["backbone=other_trunk_each_time", "transforms=[]"]
    return load_experiment(tiny_file, changes)


@pytest.fixture
def run(experiment: Experiment, tmp_path: Path) -> RunDirectory:
    return start_run(experiment, tmp_path, Processes())[0]


def test_the_trunk_is_kept_once(run: RunDirectory) -> None:
    assert set(torch.load(run.trunk_file, weights_only=True)) == {"weight", "bias"}
    for path in run.checkpoints.path.iterdir():
        assert not [name for name in read_checkpoint(path)["network"] if "trunk" in name]


def test_a_run_is_measured_and_resumed_on_its_own_trunk(
    run: RunDirectory, experiment: Experiment
) -> None:
    before = run.evaluation("test").joinpath("metrics.json").read_text()
    trunk = run.trunk_file.read_bytes()
    evaluate_run(run, checkpoint="best", processes=Processes())
    assert run.evaluation("test").joinpath("metrics.json").read_text() == before
    resume_run(run, experiment, Processes())
    assert run.evaluation("test").joinpath("metrics.json").read_text() == before
    assert run.trunk_file.read_bytes() == trunk


def test_a_checkpoint_is_refused_on_another_trunk(
    run: RunDirectory, experiment: Experiment
) -> None:
    with pytest.raises(FacesimError, match="was trained on a trunk with other weights"):
        restore_checkpoint(run.checkpoints.file("last"), prepare(experiment).trained)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no weights at all"])
def test_a_broken_file_is_named(run: RunDirectory, content: bytes) -> None:
    run.trunk_file.write_bytes(content)
    with pytest.raises(FacesimError, match=r"trunk\.pt"):
        evaluate_run(run, checkpoint="best", processes=Processes())


def test_a_missing_file_is_named(run: RunDirectory) -> None:
    run.trunk_file.unlink()
    with pytest.raises(FacesimError, match=r"trunk\.pt, which holds the run's frozen weights"):
        evaluate_run(run, checkpoint="best", processes=Processes())


def test_another_trunks_weights_are_refused(run: RunDirectory) -> None:
    torch.save({"weight": torch.zeros(1)}, run.trunk_file)
    with pytest.raises(FacesimError, match=r"trunk\.pt does not fit this experiment's trunk"):
        evaluate_run(run, checkpoint="best", processes=Processes())


def test_nothing_is_kept_where_nothing_is_frozen(tiny: Experiment, tmp_path: Path) -> None:
    run, _ = start_run(tiny, tmp_path, Processes())
    assert not run.trunk_file.exists()
