"""A space is validated before the first trial, and each trial gets an experiment of it."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from facesim.tuning.space import Choice, Space, base_point

Read = Callable[..., Space]


def picked(space: Space, **values: object) -> dict[str, Any]:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return space.suggest(optuna.trial.FixedTrial(named)).as_data()


def test_values_stand_where_their_paths_say(read: Read) -> None:
    space = read("optimizer.lr: {float: [1e-5, 1e-1], log: true}", "head.fc_dim: {int: [8, 64]}")
    experiment = picked(space, optimizer__lr=0.5e-2, head__fc_dim=16)
    assert experiment["optimizer"]["lr"] == 0.5e-2
    assert experiment["head"] == {**experiment["head"], "fc_dim": 16, "out_dim": 4}
    assert experiment["search"] is None


def test_the_base_experiment_is_a_point_of_the_space(read: Read) -> None:
    space = read(
        "loss: {choice: [{name: contrastive, margin: {float: [0.5, 4]}}, learned]}",
        "optimizer.lr: {float: [1e-5, 1e-1], log: true}",
    )
    point = base_point(space)
    assert point == {
        "loss": "contrastive",
        "loss[contrastive].margin": space.base.as_data()["loss"]["margin"],
        "optimizer.lr": 1e-3,
    }
    assert space.suggest(optuna.trial.FixedTrial(dict(point))) == space.base


def test_a_bound_follows_another_parameter_wherever_it_is_declared(read: Read) -> None:
    space = read(
        "head.out_dim: {int: [4, 32], step: 4, at_most: head.fc_dim}",
        "head.fc_dim: {int: [8, 64], log: true}",
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(200):
        trial = study.ask()
        space.suggest(trial)
        assert trial.params["head.out_dim"] in range(4, min(trial.params["head.fc_dim"], 32) + 1, 4)
        study.tell(trial, 0.0)
    assert {trial.params["head.out_dim"] for trial in study.trials} == set(range(4, 33, 4))


def test_a_lower_bound_that_follows_keeps_to_the_grid(read: Read) -> None:
    space = read(
        "head.out_dim: {int: [4, 10]}",
        "head.fc_dim: {int: [8, 64], step: 4, at_least: head.out_dim}",
    )
    trial = optuna.trial.FixedTrial({"head.out_dim": 9, "head.fc_dim": 12})
    space.suggest(trial)
    assert trial.distributions["head.fc_dim"] == optuna.distributions.IntDistribution(
        12, 64, step=4
    )


def test_a_range_inside_of_an_option_is_asked_only_where_it_is_chosen(read: Read) -> None:
    space = read(
        "loss: {choice: [{name: contrastive, margin: {float: [0.5, 4]}}, "
        "{name: learned, hidden: [8]}, {name: learned, hidden: [8, 8]}]}",
    )
    learned = picked(space, loss='learned {"hidden": [8, 8]}')
    assert learned["loss"] == {**learned["loss"], "name": "learned", "hidden": [8, 8]}
    trial = optuna.trial.FixedTrial({"loss": "contrastive", "loss[contrastive].margin": 3.0})
    assert space.suggest(trial).as_data()["loss"]["margin"] == 3.0


def test_every_range_is_found_those_within_choices_too(read: Read) -> None:
    space = read(
        "loss: {choice: [{name: contrastive, margin: {float: [0.5, 4]}}, learned]}",
        "optimizer.lr: {float: [1e-5, 1e-1], log: true}",
    )
    names = [range_.name for range_ in space.ranges()]
    assert names == ["loss[contrastive].margin", "optimizer.lr"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (9, None),
        (8, "is not a whole number of steps of 2 from 5"),
        (4, "lies outside of 5 to 65"),
        ("9", "is not a number"),
        (True, "is not a number"),
        (None, "is not a number"),
    ],
)
def test_a_value_lies_within_a_range_or_not(read: Read, value: object, reason: str | None) -> None:
    (range_,) = read("head.fc_dim: {int: [4, 64], step: 2}").ranges()
    assert range_.why_not(value, 5, 65) == reason


def test_steps_of_a_tenth_reach_the_upper_end(read: Read) -> None:
    (range_,) = (space := read("loss.margin: {float: [0.1, 2.3], step: 0.1}")).ranges()
    assert space.limits(range_, []) == pytest.approx((0.1, 2.3))


def test_an_option_with_the_base_experiments_parameters_in_it_is_the_base(read: Read) -> None:
    space = read(
        "head: {choice: [{name: mlp, fc_dim: {int: [16, 64]}, out_dim: 4}, "
        "{name: mlp, fc_dim: {int: [8, 64]}, out_dim: {choice: [2, 4]}}]}"
    )
    (choice,) = space.parameters
    assert isinstance(choice, Choice)
    option = space.option_of_base(choice)
    assert option is choice.options[1]
    point = base_point(space)
    assert point["head"] == option.label
    assert sorted(map(str, point.values()), key=len)[:2] == ["8", "4"]
