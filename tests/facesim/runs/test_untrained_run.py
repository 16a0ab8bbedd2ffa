"""A run of no epoch: a network is measured as it was built, by the same protocol."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces import heads
from facesim.model.build import build_network
from facesim.runs.run import Run
from facesim.training.build import prepare
from facesim.training.checkpoint import BEST, read_checkpoint


def untrained(experiment: Experiment) -> Experiment:
    train = experiment.train.model_copy(update={"epochs": 0})
    return experiment.model_copy(update={"train": train})


def test_the_network_is_measured_as_it_was_built(tiny: Experiment, tmp_path: Path) -> None:
    experiment = untrained(tiny)
    run = Run.begin(experiment, tmp_path)
    result = run.complete()
    kept = read_checkpoint(run.checkpoints.file(BEST))["network"]
    built = build_network(experiment, 8, torch.device("cpu")).trained_state()
    assert all(torch.equal(kept[name], tensor) for name, tensor in built.items())
    assert result.metrics["roc_auc"].value is not None
    assert Run.open(run.path).complete() == result


def test_nothing_to_train_is_an_error_that_says_how_to_measure_it(tiny: Experiment) -> None:
    frozen = tiny.backbone.plugin.parameters(name="small_cnn", width=4, frozen_stages=4)
    nothing = {
        "backbone": type(tiny.backbone)(tiny.backbone.plugin, frozen),
        "head": heads.spec("identity"),
    }
    experiment = tiny.model_copy(update=nothing)
    with pytest.raises(FacesimError, match="nothing is trainable") as error:
        prepare(experiment)
    assert "`train: {epochs: 0}`" in str(error.value)
    assert prepare(untrained(experiment)).total_steps == 0


def test_a_search_needs_an_epoch(tiny: Experiment) -> None:
    space = {"trials": 1, "space": {"optimizer.lr": {"float": [0.1, 0.2]}}}
    with pytest.raises(ValidationError, match=r"train\.epochs of 1 or more"):
        Experiment.model_validate({**untrained(tiny).as_data(), "search": space})
