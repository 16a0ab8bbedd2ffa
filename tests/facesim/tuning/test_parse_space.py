"""What a file declares becomes parameters, with names that Optuna can store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from facesim.experiment.loading import load_with_source
from facesim.experiment.nodes import ExperimentError
from facesim.tuning.parse_space import read_space
from facesim.tuning.space import Choice, Range, Space

Read = Callable[..., Space]


def labels_of(space: Space) -> list[object]:
    (choice,) = space.parameters
    assert isinstance(choice, Choice)
    return [option.label for option in choice.options]


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("loss: {choice: [contrastive, {name: learned, hidden: [8]}]}", ["contrastive", "learned"]),
        (
            "loss: {choice: [contrastive, {name: contrastive, margin: 2.0}]}",
            ["contrastive", 'contrastive {"margin": 2.0}'],
        ),
        ("train.batch_size: {choice: [8, 16]}", [8, 16]),
        ("image.size: {choice: [[24, 24], [16, 16]]}", ["[24, 24]", "[16, 16]"]),
        (
            "image: {choice: [{size: [24, 24]}, {size: [16, 16]}]}",
            ['{"size": [24, 24]}', '{"size": [16, 16]}'],
        ),
    ],
)
def test_an_option_is_called_by_its_plugin_as_long_as_that_tells_it_apart(
    read: Read, line: str, labels: list[object]
) -> None:
    assert labels_of(read(line)) == labels


def test_a_range_within_an_option_is_a_parameter_of_that_option(read: Read) -> None:
    space = read(
        "loss: {choice: [{name: contrastive, margin: {float: [0.5, 4]}}, "
        "{name: learned, hidden: {choice: [[8], [8, 8]]}}]}"
    )
    (choice,) = space.parameters
    assert isinstance(choice, Choice)
    (margin,), (hidden,) = (option.parameters for option in choice.options)
    assert isinstance(margin, Range)
    assert (margin.name, margin.path) == ("loss[contrastive].margin", ("loss", "margin"))
    assert (hidden.name, hidden.path) == ("loss[learned].hidden", ("loss", "hidden"))
    assert "margin" not in choice.options[0].node.entries


def test_the_base_is_the_experiment_without_its_search(read: Read) -> None:
    space = read("head.fc_dim: {int: [8, 64]}")
    assert space.base.search is None
    assert "search" not in space.root.entries
    assert space.experiment_with([]) == space.base


def test_all_that_is_wrong_is_named_at_once_in_the_order_of_the_file(read: Read) -> None:
    """Two ranges that are empty."""
    with pytest.raises(ExperimentError) as error:
        read("head.fc_dim: {int: [64, 8]}", "optimizer.lr: {float: [1.0, 0.1]}")
    first, second = str(error.value).splitlines()[:2]
    assert "search.space.head.fc_dim" in first
    assert "search.space.optimizer.lr" in second


def test_an_experiment_without_a_search_has_no_space(
    write_search: Callable[..., Path],
) -> None:
    file = write_search("")
    file.write_text(file.read_text().replace("search:\n", ""))
    with pytest.raises(ExperimentError, match="declares no search: write `search:`"):
        read_space(*load_with_source(file))
