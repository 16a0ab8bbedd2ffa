"""A space is validated before the first trial, and each trial gets an experiment of it."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from facesim.experiment.nodes import ExperimentError
from facesim.tuning.space import Space, base_point

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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("head.fc_dm: {int: [8, 64]}", "head.fc_dm: unknown key (did you mean 'fc_dim'?)"),
        ("optimizer.lr: {float: [-1, 1]}", "optimizer.lr: must be a number > 0, not -1"),
        ("head.fc_dim: {float: [8.0, 64.5]}", "head.fc_dim: must be a whole number"),
        ("loss: {choice: [contrastiv, contrastive]}", "there is no loss 'contrastiv'"),
        ("head.fc_dim: {int: [16, 64]}", "own value 8 lies outside of 16 to 64"),
        ("head.fc_dim: {int: [5, 64], step: 2}", "not a whole number of steps of 2 from 5"),
        ("head: {choice: [linear]}", "is none of the options"),
        ("head.fc_dim: {int: [64, 8]}", "the range [64, 8] is empty"),
        ("head.fc_dim: {int: [8, 64], choice: [8]}", "write one of {float"),
        ("optimizer.lr: {float: [0, 1], log: true}", "must begin above 0"),
        ("head.out_dim: {int: [4, 8], at_most: head.fc_dm}", "did you mean 'head.fc_dim'"),
        (
            "loss: {choice: [{name: contrastive, margn: {float: [1, 2]}}]}",
            "loss.margn: unknown key (did you mean 'margin'?)",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(read: Read, line: str, said: str) -> None:
    with pytest.raises(ExperimentError) as raised:
        read(line)
    assert said in str(raised.value)
    assert "tiny.yaml:20:" in str(raised.value)


def test_bounds_that_refer_to_each_other_are_refused(read: Read) -> None:
    with pytest.raises(ExperimentError, match="in a circle"):
        read(
            "head.out_dim: {int: [4, 8], at_most: head.fc_dim}",
            "head.fc_dim: {int: [4, 8], at_least: head.out_dim}",
        )


def test_a_bound_that_leaves_nothing_is_refused(read: Read) -> None:
    with pytest.raises(ExperimentError, match=r"no value is left where head\.fc_dim is 2, below 4"):
        read(
            "head.out_dim: {int: [4, 8], at_most: head.fc_dim}",
            "head.fc_dim: {int: [2, 64]}",
        )


def test_a_path_below_a_choice_is_refused(read: Read) -> None:
    with pytest.raises(ExperimentError, match="write the range inside of the option"):
        read("loss: {choice: [contrastive, learned]}", "loss.margin: {float: [1, 2]}")
