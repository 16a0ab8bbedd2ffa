"""What an experiment's data and schema have at a path."""

from collections.abc import Sequence
from typing import Any

import pytest

from facesim.experiment.schema import Experiment
from facesim.experiment.schema_lookup import elsewhere, keys_at, type_at, value_at
from facesim.registry.type_descriptions import describe_type

DATA = {"a": {"b": [10, {"c": 20}]}, "loss": {"name": "learned"}, "head": "mlp"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), DATA),
        (("a", "b", 0), 10),
        (("a", "b", "1", "c"), 20),
        (("a", "b", 2), None),
        (("a", "b", "x"), None),
        (("a", "b", "-1"), None),
        (("a", "b", "9" * 5000), None),
        (("a", "b", 0, "d"), None),
        (("no", "such"), None),
    ],
)
def test_a_value_is_found_by_keys_and_indices(path: Sequence[str | int], value: Any) -> None:
    assert value_at(DATA, path) == value


def test_the_keys_of_a_plugin_are_those_of_the_named_one() -> None:
    assert keys_at(Experiment, ("loss",), DATA) == ["name", "hidden", "symmetric"]
    assert keys_at(Experiment, ("head",), DATA) == ["name", "fc_dim"]
    assert keys_at(Experiment, ("loss",), {"loss": "no_such"}) == []
    assert keys_at(Experiment, ("seed",), DATA) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("train", "epochs"), "a whole number >= 0"),
        (("loss", "hidden", 5), "a whole number > 0"),
        (("image", "crop", 0), "a whole number >= 0"),
        (("image", "crop", 3), "a whole number > 0"),
        (("transforms", 1), "a transform"),
        (("lint", "self_pair"), "'error', 'warning' or 'off'"),
    ],
)
def test_a_type_is_found_in_sections_plugins_lists_and_mappings(
    path: tuple[str | int, ...], words: str
) -> None:
    assert describe_type(type_at(Experiment, path, DATA)) == words


def test_nothing_has_no_type() -> None:
    assert type_at(Experiment, ("train", "epochs", "more"), DATA) is None


def test_a_key_at_the_wrong_level_is_found_elsewhere() -> None:
    assert elsewhere(Experiment, "epochs", DATA) == ["train.epochs"]
    assert elsewhere(Experiment, "fc_dim", DATA) == ["head.fc_dim"]
    assert elsewhere(Experiment, "name", DATA) == []
