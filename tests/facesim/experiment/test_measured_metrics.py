"""Which metrics an experiment measures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.measured_metrics import measured_metrics, quantity_named
from facesim.interfaces import metrics
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.roc import Roc

Write = Callable[..., Path]


class AtTarget(Metric):
    label = "At a target"

    def __init__(self, *, target: float) -> None:
        self.name = f"at_target_{target}"

    def value(self, roc: Roc, threshold: float) -> float:
        return 0.0


def test_the_standard_metrics_are_measured_by_default(whole: Write) -> None:
    assert list(measured_metrics(load_experiment(whole()))) == ["accuracy"]


def test_what_the_file_names_is_measured_and_knows_its_name(whole: Write) -> None:
    metrics("at_target")(AtTarget)
    file = whole(
        "\ntrain:", "\nevaluate: {metrics: [accuracy, {name: at_target, target: 0.5}]}\ntrain:"
    )
    found = measured_metrics(load_experiment(file))
    assert list(found) == ["accuracy", "at_target_0.5"]
    assert [metric.name for metric in found.values()] == list(found)


def test_what_chooses_the_best_checkpoint_is_measured_as_well(whole: Write) -> None:
    experiment = load_experiment(whole(), ["train.best=loss_like"])
    assert list(measured_metrics(experiment)) == ["accuracy", "loss_like"]
    assert not quantity_named(experiment, "loss_like").higher_is_better


def test_the_loss_can_choose_and_is_not_a_metric_of_the_curve(whole: Write) -> None:
    experiment = load_experiment(whole(), ["train.best=loss"])
    assert list(measured_metrics(experiment)) == ["accuracy"]
    loss: Quantity = quantity_named(experiment, "loss")
    assert (loss.name, loss.higher_is_better) == ("loss", False)


def test_the_metrics_of_a_search_are_measured(whole: Write) -> None:
    search = "\nsearch: {metric: val.loss_like, space: {seed: {int: [0, 9]}}}\ntrain:"
    experiment = load_experiment(whole("\ntrain:", search))
    assert list(measured_metrics(experiment)) == ["accuracy", "loss_like"]


def test_an_unknown_metric_is_answered_with_the_nearest(whole: Write) -> None:
    experiment = load_experiment(whole(), ["train.best=acuracy"])
    with pytest.raises(FacesimError, match=r"no metric 'acuracy' \(did you mean 'accuracy'"):
        measured_metrics(experiment)


def test_a_metric_with_parameters_must_be_listed(whole: Write) -> None:
    metrics("at_target")(AtTarget)
    experiment = load_experiment(whole(), ["train.best=at_target"])
    with pytest.raises(FacesimError, match=r"needs target; list it in evaluate\.metrics"):
        measured_metrics(experiment)
