"""A space is checked before the first trial: every problem, with its place in the file."""

from collections.abc import Callable

import pytest

from facesim.experiment.nodes import ExperimentError
from facesim.tuning.space import Space

Read = Callable[..., Space]


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


@pytest.mark.parametrize("other", ["loss.name", "data.workers_", "head", "evaluate.baselines"])
def test_a_bound_refers_to_a_number(read: Read, other: str) -> None:
    said = f"'{other}' is not a parameter that holds a number"
    with pytest.raises(ExperimentError, match=said):
        read(f"head.fc_dim: {{int: [4, 8], at_most: {other}}}")


def test_a_bound_may_be_a_number_that_is_not_searched(read: Read) -> None:
    (range_,) = read("head.out_dim: {int: [4, 8], at_most: head.fc_dim}").ranges()
    assert range_.distribution.at_most == "head.fc_dim"


def test_a_bound_that_leaves_nothing_is_refused(read: Read) -> None:
    with pytest.raises(ExperimentError, match=r"no value is left where head\.fc_dim is 2, below 4"):
        read(
            "head.out_dim: {int: [4, 8], at_most: head.fc_dim}",
            "head.fc_dim: {int: [2, 64]}",
        )


def test_a_bound_that_leaves_one_value_is_fine(read: Read) -> None:
    read(
        "head.out_dim: {int: [4, 8], at_most: head.fc_dim}",
        "head.fc_dim: {int: [4, 64]}",
    )
    read(
        "head.out_dim: {int: [4, 8]}",
        "head.fc_dim: {int: [4, 8], at_least: head.out_dim}",
    )


def test_a_path_below_a_choice_is_refused(read: Read) -> None:
    with pytest.raises(ExperimentError, match="write the range inside of the option"):
        read("loss: {choice: [contrastive, learned]}", "loss.margin: {float: [1, 2]}")


def test_a_bound_may_refer_to_a_number_that_is_not_searched(read: Read) -> None:
    space = read("head.out_dim: {int: [4, 8], at_most: head.fc_dim}")
    (range_,) = space.ranges()
    assert space.limits(range_, []) == (4, 8)


def test_a_bound_that_refers_to_an_option_is_refused(read: Read) -> None:
    with pytest.raises(ExperimentError, match=r"'loss\.margin' belongs to a choice"):
        read(
            "loss: {choice: [contrastive, learned]}",
            "optimizer.lr: {float: [1e-5, 1e-1], at_most: loss.margin}",
        )


def test_parameters_are_asked_after_those_that_they_refer_to(read: Read) -> None:
    space = read(
        "head: {choice: [{name: mlp, fc_dim: {int: [8, 64]}, "
        "out_dim: {int: [4, 8], at_most: train.batch_size}}]}",
        "train.batch_size: {int: [8, 64]}",
    )
    assert [parameter.name for parameter in space.parameters] == ["train.batch_size", "head"]


def test_every_problem_is_reported_at_once_in_the_order_of_the_file(read: Read) -> None:
    with pytest.raises(ExperimentError) as raised:
        read(
            "optimizer.lr: {float: [-1, 1]}",
            "head.fc_dm: {int: [8, 64]}",
            "head.out_dim: {int: [4, 8], at_most: head.fc}",
        )
    reported = [line.split(":")[1] for line in str(raised.value).splitlines()]
    assert reported == ["20", "21", "22"]
