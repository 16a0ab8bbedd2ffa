"""YAML text becomes a tree with places, or an error with one."""

import time
from pathlib import Path
from typing import Any

import pytest

from facesim.experiment.nodes import ExperimentError, Mark, Node
from facesim.experiment.yaml_parser import MAX_BYTES, parse, read_source
from facesim.experiment.yaml_scalars import resolve

START = Mark("f.yaml", 1, 1)


def read(text: str) -> Any:
    tree, problems = parse(text, START)
    assert not problems
    return resolve(tree, {})[0]


def problems_of(text: str) -> list[str]:
    try:
        return [str(problem) for problem in parse(text, START)[1]]
    except ExperimentError as error:
        return str(error).splitlines()


def of_file(path: Path) -> str:
    with pytest.raises(ExperimentError) as caught:
        read_source(path)
    return str(caught.value)


def node_at(text: str, *path: str | int) -> Node:
    node, found = parse(text, START)[0].nearest(path)
    assert found == path
    return node


def test_every_value_knows_its_line_and_column() -> None:
    text = "a:\n  b: [1,\n      {c: 2}]\n"
    assert str(node_at(text, "a", "b", 1, "c").mark) == "f.yaml:3:11"
    assert str(node_at(text, "a", "b", 1, "c").key_mark) == "f.yaml:3:8"
    assert str(node_at(text, "a", "b", 0).mark) == "f.yaml:2:7"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_of_any_system_count_as_lines(ending: str) -> None:
    text = ending.join(["a: 1", "b: 2", "c: 3"])
    assert node_at(text, "c").mark.line == 3
    assert read(text) == {"a": 1, "b": 2, "c": 3}


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert list(dict(read_source(path)[0].children())) == ["a"]


def test_an_alias_stands_for_its_value() -> None:
    assert read("a: &x {k: 1}\nb: *x\n") == {"a": {"k": 1}, "b": {"k": 1}}


def test_a_tag_for_text_makes_text_of_a_number() -> None:
    assert read("a: !!str 5\nb: ! 5\nc: '5'") == {"a": "5", "b": 5, "c": "5"}


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!int", "!mine", "!!set"])
def test_other_tags_are_refused_where_they_stand(tag: str) -> None:
    (message,) = problems_of(f"a: 1\nb: {tag} x\n")
    assert message == f"f.yaml:2:4: b: the tag {tag} is not supported; write a plain value"


def test_a_duplicate_key_names_the_line_of_the_first() -> None:
    assert problems_of("a: 1\nb:\n  c: 1\n  c: 2\n  c: 3\na: 2\n") == [
        "f.yaml:4:3: b.c: duplicate key, first given in line 3; keep one of the two",
        "f.yaml:5:3: b.c: duplicate key, first given in line 3; keep one of the two",
        "f.yaml:6:1: a: duplicate key, first given in line 1; keep one of the two",
    ]


def test_merge_keys_are_refused_with_what_to_use_instead() -> None:
    (message,) = problems_of("a: &x {k: 1}\nb: {<<: *x}\n")
    assert "f.yaml:2:5: b.<<: YAML 1.2 has no merge keys" in message
    assert "extends" in message


@pytest.mark.parametrize("key", ["[1, 2]", "{x: 1}", r'"\ud800"', r'"\0"'])
def test_a_key_must_be_a_word(key: str) -> None:
    assert problems_of(f"a: {{? {key} : 1}}") == ["f.yaml:1:7: a: a key must be a plain word"]


@pytest.mark.parametrize("value", [r'"\ud800"', r'"\0"'])
def test_text_that_no_file_name_can_hold_is_refused(value: str) -> None:
    (message,) = problems_of(f"a: {value}")
    assert message.startswith("f.yaml:1:4: a: holds a NUL or an unpaired surrogate")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [", "f.yaml:1:5:"),
        ("a: 1\nb: {", "f.yaml:2:5:"),
        ("a: b: c", "f.yaml:1:5:"),
        ("a: 1\n b: 2", "f.yaml:2:3:"),
        ("a: 'x", "f.yaml:1:6:"),
        ("\ta: 1", "f.yaml:1:1:"),
        ("a: 1\nb: \x07x", "f.yaml:2:4:"),
        ("a: *b", "f.yaml:1:4:"),
        ("a: 1\n---\nb: 1", "f.yaml:2:1:"),
        ("%YAML 9.9\n---\na: 1", "f.yaml:1:1:"),
        ("a: !<tag:x", "f.yaml:1:11:"),
    ],
)
def test_what_is_no_yaml_is_one_problem_at_its_place(text: str, place: str) -> None:
    (message,) = problems_of(text)
    assert message.startswith(f"{place} not valid YAML: ")


def test_an_unquoted_variable_in_braces_is_told_to_be_quoted() -> None:
    (message,) = problems_of("a: 1\nb: {c: ${X}/y}\n")
    assert message.startswith("f.yaml:2:9: not valid YAML")
    assert message.endswith('a variable must be quoted: "${NAME}"')
    (other,) = problems_of("a: ${X}\nb: {c: }d\n")  # another line is to blame
    assert other.startswith("f.yaml:2:")
    assert "must be quoted" not in other


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 600, id="deep flow"),
        pytest.param("".join(f"{' ' * i}k:\n" for i in range(600)), id="deep block"),
        pytest.param("[" * 60 + "]" * 60, id="a little too deep"),
        pytest.param("a: &a [*a]", id="recursive alias"),
        pytest.param("a: &a {b: *a}", id="recursive alias in a mapping"),
        pytest.param(
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
            id="alias bomb",
        ),
    ],
)
def test_deep_and_exploding_files_are_refused(text: str) -> None:
    (message,) = problems_of(text)
    assert "too deep" in message or "deeper than" in message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n", "word", "5"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    assert of_file(path).endswith("an experiment is a mapping of `key: value` lines")


@pytest.mark.parametrize("content", ["a: é".encode("latin-1"), "a: 1".encode("utf-16"), b"\x80"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    assert of_file(path) == f"{path}:1:1: not UTF-8 text; save the file as UTF-8"


def test_the_line_of_the_first_byte_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: 1\nb: 2\nc: \xff\n")
    assert of_file(path).startswith(f"{path}:3:1: ")


def test_a_checkpoint_taken_for_an_experiment_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    with path.open("wb") as file:
        file.truncate(10**10)
    assert f"more than {MAX_BYTES:,} bytes" in of_file(path)


def test_a_missing_file_names_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("a: 1")
    path = tmp_path / "quikstart.yaml"
    assert of_file(path) == f"{path}: there is no such file (did you mean 'quickstart.yaml'?)"
    path = tmp_path / "other.yml"
    assert of_file(path) == f"{path}: there is no such file; that folder has quickstart.yaml"


@pytest.mark.parametrize("name", ["", "x" * 300, "no/such/folder.yaml"])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    message = of_file(tmp_path / name)
    assert "cannot be read: " in message or "no such file" in message


HOSTILE = {
    "brackets": "[" * 100_000,
    "braces": "{a: " * 30_000,
    "dashes": "- " * 50_000,
    "keys": "? " * 50_000,
    "values": "[" + "1," * 400_000 + "]",
    "entries": "".join(f"k{number}: 1\n" for number in range(90_000)),
    "aliases": "a0: &a0 x\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)),
    "itself": "a: &a [*a]",
    "scalar": "a: " + "x" * 900_000,
    "variables": "a: " + "${a:-" * 180_000,
    "quotes": "'" * 900_001,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_bounded_work(name: str) -> None:
    began = time.process_time()
    if name in ("scalar", "variables"):
        parse(HOSTILE[name], Mark("f.yaml", 1, 1))
    else:
        with pytest.raises(ExperimentError) as caught:
            parse(HOSTILE[name], Mark("f.yaml", 1, 1))
        assert len(str(caught.value)) < 1000
    assert time.process_time() - began < 6
