"""``extends:`` and ``--set``: what lies over what, and whose place an error names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facesim.experiment.merging import override, read_with_bases
from facesim.experiment.nodes import ExperimentError, Mark, shortened
from facesim.experiment.yaml_parser import parse
from facesim.experiment.yaml_scalars import resolve

START = Mark("f.yaml", 1, 1)


def read(path: Path) -> Any:
    tree, problems = read_with_bases(path)
    assert not problems
    return resolve(tree, {})[0]


def refused(path: Path) -> str:
    with pytest.raises(ExperimentError) as caught:
        read_with_bases(path)
    return str(caught.value)


def extended(write: Callable[..., Path], base: str, over: str) -> Any:
    write(base, "base.yaml")
    return read(write("extends: base.yaml\n" + over))


def set_to(text: str, *assignments: str) -> Any:
    tree = parse(text, START)[0]
    for assignment in assignments:
        tree, problems = override(tree, assignment)
        assert not problems
    return resolve(tree, {})[0]


def not_set(text: str, assignment: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        override(parse(text, START)[0], assignment)
    return str(caught.value)


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        pytest.param("a: 1", "b: 2", {"a": 1, "b": 2}, id="keys of both"),
        pytest.param("a: 1", "a: 2", {"a": 2}, id="the nearer wins"),
        pytest.param("a: {b: 1, c: 2}", "a: {c: 3}", {"a": {"b": 1, "c": 3}}, id="mappings merge"),
        pytest.param("a: [1, 2]", "a: [3]", {"a": [3]}, id="lists are replaced"),
        pytest.param("a: {b: 1}", "a:", {"a": None}, id="nothing replaces"),
        pytest.param("a: [1]", "a: {b: 1}", {"a": {"b": 1}}, id="mapping over a list"),
        pytest.param("a: 5", "a: {b: 1}", {"a": {"b": 1}}, id="mapping over a number"),
        pytest.param("a: {b: 1}", "a: 5", {"a": 5}, id="number over a mapping"),
        pytest.param("name: x\na: 1", "name: y", {"name": "y", "a": 1}, id="the experiment's name"),
    ],
)
def test_extends_merges_deeply(
    write: Callable[..., Path], base: str, over: str, merged: Any
) -> None:
    assert extended(write, base, over) == merged


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        pytest.param(
            "{name: mlp, width: 3}", "{width: 4}", {"name": "mlp", "width": 4}, id="a parameter"
        ),
        pytest.param(
            "{name: mlp, width: 3}", "{name: linear}", {"name": "linear"}, id="another plugin"
        ),
        pytest.param(
            "{name: mlp, width: 3}",
            "{name: 'mlp', depth: 1}",
            {"name": "mlp", "width": 3, "depth": 1},
            id="the same plugin",
        ),
        pytest.param("mlp", "{width: 4}", {"name": "mlp", "width": 4}, id="bare name beneath"),
        pytest.param(
            "mlp", "{name: mlp, width: 4}", {"name": "mlp", "width": 4}, id="bare same name beneath"
        ),
        pytest.param(
            "mlp",
            "{name: linear, width: 4}",
            {"name": "linear", "width": 4},
            id="bare other name beneath",
        ),
        pytest.param("mlp", "linear", "linear", id="bare over bare"),
        pytest.param("{name: mlp, width: 3}", "linear", {"name": "linear"}, id="bare above"),
        pytest.param(
            "{name: mlp, width: 3}", "mlp", {"name": "mlp", "width": 3}, id="bare same name above"
        ),
        pytest.param(
            '{name: "${NO_SUCH_HEAD:-mlp}", width: 3}',
            "{name: mlp}",
            {"name": "mlp", "width": 3},
            id="name from a variable",
        ),
    ],
)
def test_a_plugin_is_replaced_as_a_whole_where_its_name_changes(
    write: Callable[..., Path], base: str, over: str, merged: Any
) -> None:
    assert extended(write, f"head: {base}", f"head: {over}") == {"head": merged}


def test_a_chain_of_files_is_read_from_its_end(write: Callable[..., Path]) -> None:
    write("a: 1\nb: 1\nc: 1", "first.yaml")
    write("extends: first.yaml\nb: 2\nc: 2", "second.yaml")
    assert read(write("extends: second.yaml\nc: 3")) == {"a": 1, "b": 2, "c": 3}


def test_a_base_is_relative_to_the_file_that_names_it(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    write("a: 1", "sub/first.yaml")
    write("extends: first.yaml\nb: 2", "sub/second.yaml")
    assert read(write("extends: sub/second.yaml")) == {"a": 1, "b": 2}


def test_a_base_may_be_named_by_a_variable(write: Callable[..., Path]) -> None:
    write("a: 1", "first.yaml")
    assert read(write("extends: ${NO_SUCH_BASE:-first}.yaml")) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nextends: no.yaml", "exp.yaml:2:10: extends: no.yaml: there is no such file"),
        ("extends: [a.yaml]", "exp.yaml:1:10: extends: must be the path of one file"),
        ("extends: 5", "exp.yaml:1:10: extends: must be the path of one file"),
        ("extends:", "exp.yaml:1:9: extends: must be the path of one file"),
        ("extends: ${NO_SUCH}", "exp.yaml:1:10: extends: the environment variable NO_SUCH is not"),
        ("extends: .", "exp.yaml:1:10: extends: .: cannot be read: "),
        ("extends: exp.yaml", "exp.yaml:1:10: extends: circular: exp.yaml -> exp.yaml"),
        ("extends: broken.yaml", "exp.yaml:1:10: extends: broken.yaml:1:5: not valid YAML"),
    ],
)
def test_a_base_that_cannot_be_read_is_a_problem_of_the_line_that_names_it(
    write: Callable[..., Path], text: str, message: str
) -> None:
    write("a: [", "broken.yaml")
    assert refused(write(text)).startswith(message)


def test_a_circle_of_files_is_told_as_one(write: Callable[..., Path]) -> None:
    write("extends: b.yaml", "a.yaml")
    write("extends: ./a.yaml", "b.yaml")
    assert refused(write("extends: a.yaml")).endswith(
        "circular: exp.yaml -> a.yaml -> b.yaml -> a.yaml"
    )


def test_duplicate_keys_of_a_base_are_told_too(write: Callable[..., Path]) -> None:
    write("a: 1\na: 2", "base.yaml")
    _, problems = read_with_bases(write("extends: base.yaml\nb: 1\nb: 2"))
    assert [str(problem)[:15] for problem in problems] == ["base.yaml:2:1: ", "exp.yaml:3:1: b"]


@pytest.mark.parametrize(
    ("assignment", "data"),
    [
        ("a.b=2", {"a": {"b": 2, "c": [10, {"d": 1}]}}),
        ("a.b=2e-3", {"a": {"b": 2e-3, "c": [10, {"d": 1}]}}),
        ("a.b='2'", {"a": {"b": "2", "c": [10, {"d": 1}]}}),
        ("a.b=x=y=z", {"a": {"b": "x=y=z", "c": [10, {"d": 1}]}}),
        ("a.b=", {"a": {"b": None, "c": [10, {"d": 1}]}}),
        ("a.b = 5 ", {"a": {"b": 5, "c": [10, {"d": 1}]}}),
        ("a.b=[1, {x: 2}]", {"a": {"b": [1, {"x": 2}], "c": [10, {"d": 1}]}}),
        ("a.c.0=11", {"a": {"b": 1, "c": [11, {"d": 1}]}}),
        ("a.c.1.d=2", {"a": {"b": 1, "c": [10, {"d": 2}]}}),
        ("a.c.1.e=2", {"a": {"b": 1, "c": [10, {"d": 1, "e": 2}]}}),
        ("a.c=[]", {"a": {"b": 1, "c": []}}),
        ("a={b: 3}", {"a": {"b": 3, "c": [10, {"d": 1}]}}),
        ("x.y.z=1", {"a": {"b": 1, "c": [10, {"d": 1}]}, "x": {"y": {"z": 1}}}),
        ("a.b=${NO_SUCH:-7}", {"a": {"b": 7, "c": [10, {"d": 1}]}}),
    ],
)
def test_an_override_sets_one_place(assignment: str, data: Any) -> None:
    assert set_to("a: {b: 1, c: [10, {d: 1}]}", assignment) == data


@pytest.mark.parametrize(
    ("assignments", "head"),
    [
        (["head.width=4"], {"name": "mlp", "width": 4}),
        (["head.name=linear"], {"name": "linear"}),
        (["head=linear"], {"name": "linear"}),
        (["head=linear", "head.bias=true"], {"name": "linear", "bias": True}),
        (["head={name: linear, bias: true}"], {"name": "linear", "bias": True}),
    ],
)
def test_an_override_treats_plugins_as_extends_does(assignments: list[str], head: Any) -> None:
    assert set_to("head: {name: mlp, width: 3}", *assignments) == {"head": head}


def test_an_override_gives_parameters_to_a_bare_name() -> None:
    assert set_to("head: mlp", "head.width=4") == {"head": {"name": "mlp", "width": 4}}


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("a", "write it as --set key.key=value"),
        ("", "write it as --set key.key=value"),
        ("=1", "write it as --set key.key=value"),
        ("a..b=1", "write it as --set key.key=value"),
        (".a=1", "write it as --set key.key=value"),
        ("a.=1", "write it as --set key.key=value"),
        ("a." * 500 + "b=1", "write it as --set key.key=value"),
        ("a=[", "not valid YAML"),
        ("a=x: y: z", "not valid YAML"),
        ("a=\x00", "not valid YAML"),
        ("a=\udcff", "not valid YAML"),
        ("extends=b.yaml", "`extends` is read from the file alone"),
        ("c.2=1", "'2' is not an index of that list (known: 0 to 1)"),
        ("c.-1=1", "'-1' is not an index of that list (known: 0 to 1)"),
        ("c.²=1", "'²' is not an index of that list (known: 0 to 1)"),
        (f"c.{'9' * 5000}=1", "is not an index of that list (known: 0 to 1)"),
        ("c.x.y=1", "'x' is not an index of that list (known: 0 to 1)"),
        ("e.0=1", "'0' is not an index of that list (known: none, it is empty)"),
    ],
)
def test_a_bad_override_is_told_with_its_text(assignment: str, reason: str) -> None:
    message = not_set("a: 1\nc: [1, 2]\ne: []", assignment)
    assert f": --set {shortened(assignment)}: " in message
    assert reason in message


def test_what_an_override_puts_in_place_is_found_at_the_key_and_by_the_override() -> None:
    tree, _ = override(parse("a:\n  b: 1\n", START)[0], "a.b=[1, x]")
    node, _ = tree.nearest(("a", "b", 1))
    assert str(node.mark) == "f.yaml:2:3: --set a.b=[1, x]"


def test_duplicate_keys_in_an_override_are_told() -> None:
    _, problems = override(parse("a: 1", START)[0], "b.c={x: 1, x: 2}")
    (problem,) = problems
    assert str(problem).startswith("f.yaml:1:1: --set b.c={x: 1, x: 2}: b.c.x: duplicate key")
