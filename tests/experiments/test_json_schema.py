"""An editor that has the JSON Schema finds nothing wrong with a shipped experiment."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from facesim import discovery
from facesim.experiment.json_schema import experiment_json_schema
from facesim.experiment.nodes import Node, Scalar
from facesim.experiment.yaml_parser import read_source
from facesim.experiment.yaml_scalars import typed

SHIPPED = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    discovery.load_installed_plugins()
    schema = experiment_json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def raw(node: Node) -> Any:
    """What an editor sees: the file's data with its variables as they are written."""
    if isinstance(node.value, Scalar):
        return typed(node.value.text) if node.value.plain else node.value.text
    if isinstance(node.value, dict):
        return {key: raw(below) for key, below in node.value.items()}
    return [raw(below) for below in node.value]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_accepts_every_shipped_experiment(
    validator: Draft202012Validator, path: Path
) -> None:
    data = raw(read_source(path)[0])
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]
    assert errors == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_finds_a_typo_in_a_shipped_experiment(
    validator: Draft202012Validator, path: Path
) -> None:
    data = raw(read_source(path)[0])
    for key in data:
        typo = {other if other != key else f"{key}s": value for other, value in data.items()}
        assert not validator.is_valid(typo)
