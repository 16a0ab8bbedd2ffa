"""The JSON Schema agrees with what facesim reads, and with what it refuses."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from pydantic import BaseModel, WithJsonSchema

from facesim import interfaces
from facesim.errors import FacesimError
from facesim.experiment.json_schema import experiment_json_schema, write_schema
from facesim.experiment.loading import load_experiment
from facesim.experiment.nodes import ExperimentError, Node, Scalar
from facesim.experiment.yaml_parser import read_source
from facesim.experiment.yaml_scalars import typed
from tests.facesim.experiment.conftest import SOURCE, SPLITS


def raw(node: Node) -> Any:
    """What an editor sees: the file's data with its variables as they are written."""
    if isinstance(node.value, Scalar):
        return typed(node.value.text) if node.value.plain else node.value.text
    if isinstance(node.value, dict):
        return {key: raw(below) for key, below in node.value.items()}
    return [raw(below) for below in node.value]


@cache
def validator() -> Draft202012Validator:
    schema = experiment_json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def references(part: Any) -> set[str]:
    below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    own = {part["$ref"]} if isinstance(part, dict) and "$ref" in part else set()
    return own.union(*map(references, below))


def accepts(path: Path) -> bool:
    return bool(validator().is_valid(raw(read_source(path)[0])))


def leaves(error: ValidationError) -> Iterator[ValidationError]:
    """What an error comes from, in the end."""
    if not error.context:
        yield error
    for below in error.context or ():
        yield from leaves(below)


RIGHT = [
    ("", ""),
    (SPLITS, SOURCE),
    (SPLITS, SOURCE + "  split: {ratios: [0.5, 0.25, 0.25], seed: 3, stratify: [gender]}\n"),
    (SPLITS, SOURCE + "  train: null\n  test: {name: csv, table: test.csv}\n"),
    ("margin: 2.0", "margin: 3"),
    ("loss:\n  name: contrastive\n  margin: 2.0", "loss: contrastive"),
    ("loss:\n  name: contrastive\n  margin: 2.0", "loss: {name: learned, hidden: []}"),
    ("loss:\n  name: contrastive\n  margin: 2.0", "loss: trained"),
    ("loss:\n  name: contrastive\n  margin: 2.0", "loss: {name: trained, hidden: []}"),
    ("depth: 18", "weights: somewhere/weights.pt"),
    ("", "transforms: [flip, {name: flip, probability: 0.1}]\nscheduler: constant\n"),
    ("", "image: {size: [10, 20], crop: null}\nplugins: [json]\n"),
    ("epochs: 10", "epochs: 10, checkpoint_every: null, precision: float32"),
    ("name: whole", "name: ${NAME:-whole}"),
    ("margin: 2.0", "margin: ${MARGIN:-2.0}"),
    ("epochs: 10", 'epochs: 10, precision: "${PRECISION:-auto}"'),
    ("{name: resnet, depth: 18}", "\n  name: resnet\n  depth: ${DEPTH:-50}"),
    ("head: mlp", "head: ${HEAD:-mlp}"),
    ("name: contrastive", "name: ${LOSS:-contrastive}"),
    ("", "image:\n  size:\n    - 10\n    - ${WIDTH:-20}\n"),
    (
        "loss:\n  name: contrastive\n  margin: 2.0",
        "loss:\n  name: learned\n  hidden:\n    - 8\n    - ${WIDTH:-20}",
    ),
]


@pytest.mark.parametrize(("old", "new"), RIGHT)
def test_what_facesim_reads_is_accepted(whole: Callable[..., Path], old: str, new: str) -> None:
    path = whole(old, new)
    load_experiment(path)
    assert accepts(path)


WRONG = [
    ("  val: {name: csv, table: val.csv}\n", ""),
    (SPLITS, SOURCE + "  split: {ratios: [0.5, 0.5]}\n"),
    (SPLITS, SOURCE + "  split: {ratios: [0.5, 0, 0.5]}\n"),
    ("contrastive", "contrastiv"),
    ("margin", "margn"),
    ("name: contrastive", "name: trained"),
    ("margin: 2.0", "hidden: [64]"),
    ("margin: 2.0", "margin: two"),
    ("margin: 2.0", "margin: '2.0'"),
    ("margin: 2.0", "margin: -1"),
    ("margin: 2.0", "margin: 0"),
    ("margin: 2.0", "margin: true"),
    ("margin: 2.0", "margin:"),
    ("margin: 2.0", "margin: {a: 1}"),
    ("epochs", "epoch"),
    ("epochs: 10", "epochs: 10.5"),
    ("epochs: 10", "epochs: 10, precision: float61"),
    ("epochs: 10, ", ""),
    ("depth: 18", "depth: 19"),
    ("depth: 18", "weights: 5"),
    ("head: mlp", "head: {fc_dim: 4}"),
    ("head: mlp", "head: {name: mlp, fc_dim: 0}"),
    ("head: mlp", "head: mpl"),
    ("head: mlp", "head: contrastive"),
    ("head: mlp", "head: [mlp]"),
    ("head: mlp\n", ""),
    ("sampler: {name: random_pairs, pairs_per_image: 0.5}", "sampler: random_pairs"),
    ("name: whole", "name: a/b"),
    ("name: whole", "name: 5"),
    ("", "learning_rate: 5\n"),
    ("", "seed: -1\n"),
    ("", "image: {size: [1]}\n"),
    ("", "image: {size: [1, 2, 3]}\n"),
    ("", "image:\n"),
    ("", "transforms: flip\n"),
    ("", "transforms: [flop]\n"),
    ("", "trackers: [tensorboard]\n"),
    ("", "callbacks: [early_stoping]\n"),
    ("", "report_sections: embedding_map\n"),
    ("", "plugins: ./mine.py\n"),
    ("", "device: gpu\n"),
]


@pytest.mark.parametrize(("old", "new"), WRONG)
def test_what_facesim_refuses_is_refused(whole: Callable[..., Path], old: str, new: str) -> None:
    path = whole(old, new)
    with pytest.raises(ExperimentError):
        load_experiment(path)
    assert not accepts(path)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", True),
        ("seed: 1", True),
        ("loss: {margin: 3}", True),
        ("loss: learned", True),
        ("data: {val: {table: x.csv}}", True),
        ("train: {epochs: '${EPOCHS}'}", True),
        ("loss: {margin: -3}", False),
        ("loss: {margn: 3}", False),
        ("loss: learnd", False),
        ("los: learned", False),
        ("train: {epoch: 3}", False),
        ("plugins: [./mine.py]\nloss: {power: 2}", True),
        ("plugins: [./mine.py]\nloss: {name: mine, power: 2}", True),
    ],
)
def test_a_file_that_extends_another_may_leave_things_out(
    write: Callable[..., Path], text: str, right: bool
) -> None:
    assert accepts(write(f"extends: base.yaml\n{text}")) is right


@pytest.mark.parametrize(
    ("node", "right"),
    [
        ("mine", True),
        ("{name: mine, power: 2}", True),
        ("{name: contrastive, margin: 2}", True),
        ("{name: contrastive, margn: 2}", False),
        ("{name: trained, hidden: [2]}", True),
        ("{name: trained, margin: 2}", False),
        ("{name: contrastive, margin: -2}", False),
        ("{power: 2}", False),
        ("5", False),
    ],
)
def test_a_file_with_plugins_may_name_what_is_not_registered(
    whole: Callable[..., Path], node: str, right: bool
) -> None:
    path = whole("loss:\n  name: contrastive\n  margin: 2.0\n", f"loss: {node}\n")
    path.write_text(path.read_text() + "plugins: [./mine.py]\n")
    assert accepts(path) is right


def test_every_parameter_of_every_plugin_is_there_with_its_description() -> None:
    definitions = experiment_json_schema()["$defs"]
    assert set(definitions) >= {registry.plural for registry in interfaces.REGISTRIES}
    sampler = definitions["samplers.random_pairs"]
    assert set(sampler["properties"]) == {"name", "pairs_per_image", "same_fraction"}
    assert sampler["properties"]["pairs_per_image"]["description"] == "Pairs drawn per image."
    assert definitions["losses.contrastive"]["description"] == "Pull together, push apart."


def test_names_are_completed_with_what_they_mean() -> None:
    node, bare, variable = experiment_json_schema()["$defs"]["losses"]["anyOf"]
    for names in (node["properties"]["name"]["anyOf"][0], bare):
        assert names["enum"] == ["contrastive", "learned", "trained"]
        assert names["enumDescriptions"][0] == "Pull together, push apart."
        assert names["errorMessage"] == "must be one of contrastive, learned, trained"
    assert variable["errorMessage"] == "must be a variable, ${NAME} or ${NAME:-default}"


def of_the_schema(part: Any, key: str) -> list[Any]:
    """The values of a keyword, in the order of the schema; keys of the experiment are skipped."""
    below = part.items() if isinstance(part, dict) else ()
    found = [it for name, it in below if name == key and isinstance(it, str)]
    deeper = [it for _, it in below] if isinstance(part, dict) else part
    if isinstance(deeper, list):
        for it in deeper:
            found += of_the_schema(it, key)
    return found


def test_each_plugin_has_one_title_and_its_parameters_none() -> None:
    definitions = experiment_json_schema()["$defs"]
    plugins = {key: it for key, it in definitions.items() if "." in key and "-" not in key}
    kinds = {registry.plural: registry.kind for registry in interfaces.REGISTRIES}
    for key, schema in plugins.items():
        plural, _, name = key.partition(".")
        assert schema["title"] == f"{kinds[plural]} {name}"
        assert {*of_the_schema(schema["properties"], "title")} <= {"variable", "null"}
    assert len({it["title"] for it in plugins.values()}) == len(plugins) > 10


@pytest.mark.parametrize(
    ("node", "marked"),
    [
        ({"name": "contrastive", "margn": 1}, [("additionalProperties", "margn")]),
        ({"name": "contrastive", "margin": -1}, [("exclusiveMinimum", "-1")]),
        ({"name": "contrastiv", "margin": 1}, [("enum", "contrastiv")]),
        ({"margin": 1}, [("required", "name")]),
    ],
)
def test_a_node_is_marked_by_the_plugin_that_it_names_alone(
    node: Any, marked: list[tuple[str, str]]
) -> None:
    definitions = experiment_json_schema()["$defs"]
    mapping = definitions["losses"]["anyOf"][0]
    errors = Draft202012Validator({"$defs": definitions, **mapping}).iter_errors(node)
    found = [it for error in errors for it in leaves(error) if it.validator != "pattern"]
    assert [it.validator for it in found] == [keyword for keyword, _ in marked]
    assert all(text in it.message for it, (_, text) in zip(found, marked, strict=True))


def test_data_that_is_incomplete_is_told_both_ways() -> None:
    data = experiment_json_schema()["$defs"]["Data"]
    ways = [(branch["title"], branch["required"]) for branch in data["anyOf"]]
    assert ways == [("one source", ["source"]), ("three splits", ["train", "val", "test"])]
    assert {branch["errorMessage"] for branch in data["anyOf"]} == {
        "either `source` and `split`, or `train`, `val` and `test`"
    }


def test_no_key_is_filled_in_with_null() -> None:
    def nulls(part: Any) -> int:
        below = [*part.values()] if isinstance(part, dict) else part
        own = isinstance(part, dict) and "default" in part and part["default"] is None
        return own + sum(map(nulls, below)) if isinstance(below, list) else 0

    assert nulls(experiment_json_schema()) == 0


PATTERNS = [
    (r"^[A-Za-z0-9][A-Za-z0-9._-]*$", True),
    (r"^(auto|cuda(:\d{1,3})?)$", True),
    (r"^(?:a|b)+?\.[^\]\-x]{2,}$", True),
    (r"(?i)abc", False),
    (r"(?P<year>\d+)", False),
    (r"\Aabc\z", False),
    (r"a++", False),
    (r"a*+b", False),
    (r"a\-b", False),
    (r"x{,3}", False),
    (r"]", False),
    (r"[[:alpha:]]", False),
    (r"\h", False),
]


@pytest.mark.parametrize(("pattern", "readable"), PATTERNS)
def test_editors_get_no_pattern_that_they_cannot_compile(pattern: str, readable: bool) -> None:
    """An editor compiles patterns as ECMA 262 has them, with the flag u; others are left out."""

    def named(optimizer: Any, total_steps: int, *, text: str = "") -> Any: ...

    named.__annotations__["text"] = Annotated[
        str, WithJsonSchema({"type": "string", "pattern": pattern})
    ]
    interfaces.schedulers("named")(named)
    definitions = experiment_json_schema()["$defs"]
    found = of_the_schema(definitions["schedulers.named"], "pattern")
    assert (pattern in found) is readable


@pytest.mark.parametrize("value", ["${EPOCHS}", "${EPOCHS:-6}"])
def test_a_variable_stands_for_a_number_and_other_text_is_explained(value: str) -> None:
    epochs = experiment_json_schema()["$defs"]["Train"]["properties"]["epochs"]
    assert Draft202012Validator(epochs).is_valid(value)
    assert not Draft202012Validator(epochs).is_valid("six")
    assert epochs["errorMessage"] == "must be a whole number or a variable such as ${NAME:-1}"
    threads = experiment_json_schema()["$defs"]["Train"]["properties"]["threads"]
    assert threads["type"] == ["integer", "string", "null"]
    assert "default" not in threads


def test_a_parameter_that_is_a_model_has_the_keys_of_it() -> None:
    class Ramp(BaseModel):
        steps: int

    def ramped(optimizer: Any, total_steps: int, *, ramp: Ramp) -> Any: ...

    interfaces.schedulers("ramped")(ramped)
    schema = experiment_json_schema()
    assert "$defs" not in schema["$defs"]["schedulers"]
    assert references(schema) <= {f"#/$defs/{name}" for name in schema["$defs"]}
    validator = Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/schedulers"})
    assert validator.is_valid({"name": "ramped", "ramp": {"steps": 3}})
    assert not validator.is_valid({"name": "ramped", "ramp": {"steps": "three"}})


def test_every_key_of_the_engine_is_described() -> None:
    definitions = experiment_json_schema()["$defs"]
    undescribed = [
        f"{section}.{key}"
        for section in ("Experiment", "Data", "Image", "Train", "Evaluate")
        for key, schema in definitions[section]["properties"].items()
        if "description" not in schema and key not in ("data", "image", "train", "evaluate")
    ]
    assert undescribed == []


def test_a_node_with_a_default_shows_it_where_it_may_be_left_out() -> None:
    definitions = experiment_json_schema()["$defs"]
    scheduler = definitions["Experiment"]["properties"]["scheduler"]
    assert (scheduler["$ref"], scheduler["default"]) == ("#/$defs/schedulers", "constant")
    assert "default" not in definitions["schedulers"]


def test_every_reference_leads_somewhere() -> None:
    schema = experiment_json_schema()
    assert references(schema) <= {f"#/$defs/{name}" for name in schema["$defs"]}


def test_the_schema_is_written_in_place_of_its_own_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "facesim.schema.json"
    assert write_schema(path) == path
    written = path.read_text()
    assert json.loads(written) == experiment_json_schema()
    path.write_text(written.replace("contrastive", "outdated"))
    write_schema(path)
    assert path.read_text() == written
    for content in (b"{}", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(FacesimError, match="is no schema that facesim wrote; move it away"):
            write_schema(path)
        assert path.read_bytes() == content
    with pytest.raises(FacesimError, match="is no schema that facesim wrote"):
        write_schema(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("facesim.experiment.json_schema.write_text", full)
    with pytest.raises(FacesimError, match="cannot be written: "):
        write_schema(tmp_path / "another.json")
