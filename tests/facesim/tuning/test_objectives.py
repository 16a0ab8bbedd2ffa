"""Objectives by name, and what a system costs."""

import math

import pytest

from facesim import discovery
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.training.build import prepare
from facesim.tuning.objectives import by_current_name, costs_of, objectives_named, values_of


def test_the_direction_comes_from_the_metric(tiny: Experiment) -> None:
    found = objectives_named(["val.accuracy", "val.eer", "cost.milliseconds_per_image"], tiny)
    assert [each.metric.direction for each in found] == ["maximize", "minimize", "minimize"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test.accuracy", r"write val\.accuracy"),
        ("val.acuracy", "did you mean 'accuracy'"),
        ("accuracy", r"did you mean 'val\.accuracy'"),
        ("cost.parameter", r"did you mean 'cost\.parameters'"),
    ],
)
def test_a_wrong_name_is_told_what_was_meant(name: str, said: str, tiny: Experiment) -> None:
    with pytest.raises(FacesimError, match=said):
        objectives_named([name], tiny)


def test_what_was_measured_under_an_older_name_is_found_under_todays() -> None:
    discovery.load_installed_plugins()
    measured = {"far": 0.1, "tar": 0.9, "epoch": 3}
    assert by_current_name(measured) == {"fmr": 0.1, "tar": 0.9, "epoch": 3}


def test_an_objective_that_does_not_exist_leaves_no_values(tiny: Experiment) -> None:
    objectives = objectives_named(["val.accuracy", "val.eer"], tiny)
    assert values_of(objectives, {"val.accuracy": 0.5, "val.eer": None}) is None
    assert values_of(objectives, {"val.accuracy": 0.5, "val.eer": 0.1, "x": 1}) == [0.5, 0.1]


def test_an_objective_that_is_not_a_number_leaves_no_values(tiny: Experiment) -> None:
    objectives = objectives_named(["val.eer"], tiny)
    assert values_of(objectives, {"val.eer": math.nan}) is None


def test_costs_are_measured_where_they_are_asked_for(tiny: Experiment) -> None:
    components = prepare(tiny)
    components.network.train()
    assert costs_of(components, set()) == {}
    costs = costs_of(components, {"parameters", "milliseconds_per_image"})
    assert costs["cost.parameters"] == sum(
        math.prod(each.shape) for each in components.network.parameters()
    )
    assert 0 < costs["cost.milliseconds_per_image"] < math.inf
    assert components.network.training
