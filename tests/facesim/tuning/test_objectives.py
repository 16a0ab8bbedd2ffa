import math
from collections.abc import Callable

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.study import StudyDirection

from facesim import discovery
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.model.network import NetworkInput
from facesim.page import Plot, Text
from facesim.training.build import prepare
from facesim.tuning.objectives import (
    VAL,
    Objective,
    by_current_name,
    costs_of,
    importances_plot,
    independent_ranges,
    objectives_named,
    values_of,
)
from facesim.tuning.space import Space


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


def test_the_time_of_an_image_is_the_median_pass_but_for_the_first(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = prepare(tiny)
    passes = (90.0, 5.0, 1.0, 2.0, 4.0, 3.0)
    clock = iter([seconds for each in passes for seconds in (0.0, each)])
    monkeypatch.setattr("facesim.tuning.objectives.time.perf_counter", lambda: next(clock))
    modes: list[tuple[bool, bool, int]] = []
    network = components.network

    def seen(_: object, given: tuple[NetworkInput]) -> None:
        modes.append((network.training, torch.is_inference_mode_enabled(), len(given[0])))

    network.register_forward_pre_hook(seen)
    costs = costs_of(components, {"milliseconds_per_image"})
    size = tiny.evaluate.batch_size
    assert costs == {"cost.milliseconds_per_image": 1000 * 3.0 / size}
    assert modes == [(False, True, size)] * len(passes)


load_installed_plugins()
METRICS = built_metrics(standard_metrics())
ACCURACY, EER = (Objective(VAL, METRICS[name]) for name in ("accuracy", "eer"))


@pytest.fixture
def space(read: Callable[..., Space]) -> Space:
    return read(
        "head.out_dim: {int: [4, 32], at_most: head.fc_dim}",
        "head.fc_dim: {int: [8, 64], log: true}",
        "loss: {choice: [contrastive, learned]}",
    )


def tried(space: Space, count: int, direction: str) -> optuna.Study:
    """A study in which the width of the embedding alone decides."""
    study = optuna.create_study(
        direction=StudyDirection[direction.upper()], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for _ in range(count):
        trial = study.ask()
        space.suggest(trial)
        study.tell(trial, trial.params["head.out_dim"] / 32)
    return study


def test_a_few_trials_have_no_importances(space: Space) -> None:
    said = importances_plot(space, tried(space, 3, "maximize"), ACCURACY, 0)
    assert isinstance(said, Text)
    assert "4 completed trials" in said.text


@pytest.mark.parametrize(("objective", "direction"), [(ACCURACY, "maximize"), (EER, "minimize")])
def test_the_parameter_that_decides_comes_first(
    space: Space, objective: object, direction: str
) -> None:
    plot = importances_plot(space, tried(space, 60, direction), objective, 0)  # type: ignore[arg-type]
    assert isinstance(plot, Plot)
    names = [name for name, _ in plot.numbers.rows]
    assert names[0] == "head.out_dim"
    assert set(names) == {"head.out_dim", "head.fc_dim", "loss"}
    assert sum(plot.panels[0].series[0].x) == pytest.approx(1.0)


@pytest.mark.parametrize(("objective", "direction"), [(ACCURACY, "maximize"), (EER, "minimize")])
def test_what_decides_among_the_worst_does_not_count(
    space: Space, objective: Objective, direction: str
) -> None:
    """Of the good trials the embedding's width decides, of the bad ones the hidden layers'."""
    study = optuna.create_study(
        direction=StudyDirection[direction.upper()], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    sign = 1 if direction == "maximize" else -1
    for _ in range(200):
        trial = study.ask()
        space.suggest(trial)
        out_dim, fc_dim = trial.params["head.out_dim"], trial.params["head.fc_dim"]
        study.tell(trial, sign * (1 + out_dim / 32 if out_dim > 10 else -fc_dim / 64))
    plot = importances_plot(space, study, objective, 0)
    assert isinstance(plot, Plot)
    assert plot.numbers.rows[0][0] == "head.out_dim"


def test_ranges_that_followed_another_parameter_are_whole_again(space: Space) -> None:
    study = tried(space, 20, "maximize")
    assert len({str(trial.distributions["head.out_dim"]) for trial in study.trials}) > 1
    copy = independent_ranges(space, study)
    assert [trial.params for trial in copy.trials] == [trial.params for trial in study.trials]
    assert [trial.values for trial in copy.trials] == [trial.values for trial in study.trials]
    for trial in copy.trials:
        assert trial.distributions == {
            "head.out_dim": IntDistribution(4, 32),
            "head.fc_dim": IntDistribution(8, 64, log=True),
            "loss": CategoricalDistribution(["contrastive", "learned"]),
        }


def test_only_completed_trials_are_copied(space: Space) -> None:
    study = tried(space, 2, "maximize")
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    study.ask()
    assert len(independent_ranges(space, study).trials) == 2
