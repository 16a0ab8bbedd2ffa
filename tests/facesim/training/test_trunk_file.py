"""A run keeps its frozen trunk, and never goes on with another."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from facesim.atomic import replacing
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.interfaces import IMAGENET, Backbone, backbones
from facesim.runs.run import Run
from facesim.training.build import prepare
from facesim.training.checkpoint import read_checkpoint, restore_checkpoint
from facesim.training.trunk_file import load_trunk, save_trunk, share_trunk

_BUILDS = itertools.count(1)


def other_trunk_each_time() -> Backbone:
    """Its weights file changes, so to speak, each time before it is read."""
    trunk = nn.Conv2d(3, 6, 3, stride=2)
    nn.init.normal_(trunk.weight, std=0.1 * next(_BUILDS))
    tail = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(trunk, tail, 6, IMAGENET)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    load_installed_plugins()  # what is first loaded in the block would be gone after it
    with backbones.isolated():
        backbones("other_trunk_each_time")(other_trunk_each_time)
        yield


@pytest.fixture
def experiment(tiny_file: Path) -> Experiment:
    changes = ["backbone=other_trunk_each_time", "transforms=[]"]
    return load_experiment(tiny_file, changes)


@pytest.fixture
def run(experiment: Experiment, tmp_path: Path) -> Run:
    run = Run.begin(experiment, tmp_path)
    run.complete()
    return run


def test_the_trunk_is_kept_once(run: Run) -> None:
    assert set(torch.load(run.path / "trunk.pt", weights_only=True)) == {"weight", "bias"}
    for path in run.checkpoints.path.iterdir():
        assert not [name for name in read_checkpoint(path)["network"] if "trunk" in name]


def test_a_run_is_measured_and_resumed_on_its_own_trunk(run: Run, experiment: Experiment) -> None:
    before = run.directory.evaluation("test").joinpath("metrics.json").read_text()
    trunk = (run.path / "trunk.pt").read_bytes()
    Run.open(run.path).evaluate()
    assert run.directory.evaluation("test").joinpath("metrics.json").read_text() == before
    Run.open(run.path).complete()
    assert run.directory.evaluation("test").joinpath("metrics.json").read_text() == before
    assert (run.path / "trunk.pt").read_bytes() == trunk


def test_a_checkpoint_is_refused_on_another_trunk(run: Run, experiment: Experiment) -> None:
    with pytest.raises(FacesimError, match="was trained on a trunk with other weights"):
        restore_checkpoint(run.checkpoints.file("last"), prepare(experiment).state)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no weights at all"])
def test_a_broken_file_is_named(run: Run, content: bytes) -> None:
    (run.path / "trunk.pt").write_bytes(content)
    with pytest.raises(FacesimError, match=r"trunk\.pt"):
        Run.open(run.path).evaluate()


def test_a_missing_file_is_named(run: Run) -> None:
    (run.path / "trunk.pt").unlink()
    with pytest.raises(FacesimError, match=r"trunk\.pt, which holds the run's frozen weights"):
        Run.open(run.path).evaluate()


def test_another_trunks_weights_are_refused(run: Run) -> None:
    with replacing(run.path / "trunk.pt") as file:
        torch.save({"weight": torch.zeros(1)}, file)
    with pytest.raises(FacesimError, match=r"trunk\.pt does not fit this experiment's trunk"):
        Run.open(run.path).evaluate()


def test_nothing_is_kept_where_nothing_is_frozen(tiny: Experiment, tmp_path: Path) -> None:
    run = Run.begin(tiny, tmp_path)
    run.complete()
    assert not (run.path / "trunk.pt").exists()


def test_runs_share_one_file_of_a_trunk_and_write_it_again_where_it_is_damaged(
    experiment: Experiment, tmp_path: Path
) -> None:
    network, folder = prepare(experiment).network, tmp_path / "shared"
    for name in "abc":
        (tmp_path / name).mkdir()
    share_trunk(tmp_path / "a" / "trunk.pt", folder, network)
    share_trunk(tmp_path / "b" / "trunk.pt", folder, network)
    (shared,) = folder.glob("*.pt")
    assert (tmp_path / "a" / "trunk.pt").samefile(shared)
    assert (tmp_path / "b" / "trunk.pt").samefile(shared)
    whole = shared.read_bytes()
    shared.unlink()
    shared.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    share_trunk(tmp_path / "c" / "trunk.pt", folder, network)
    assert [*folder.glob("*.pt")] == [shared]
    assert shared.read_bytes() == whole
    for name in "abc":
        load_trunk(tmp_path / name / "trunk.pt", network)


def test_where_nothing_is_frozen_no_trunk_is_kept(tiny_file: Path, tmp_path: Path) -> None:
    network = prepare(load_experiment(tiny_file, ["backbone.frozen_stages=0"])).network
    save_trunk(tmp_path / "trunk.pt", network)
    share_trunk(tmp_path / "trunk.pt", tmp_path / "shared", network)
    load_trunk(tmp_path / "trunk.pt", network)
    assert not (tmp_path / "trunk.pt").exists()
    assert not (tmp_path / "shared").exists()
