"""Plain scalars are what YAML 1.2 says; variables are filled in before."""

import math
from typing import Any

import pytest

from facesim.experiment.nodes import Mark, Node, Scalar
from facesim.experiment.yaml_parser import parse
from facesim.experiment.yaml_scalars import defaults_taken, escaped, resolve, typed

START = Mark("f.yaml", 1, 1)


def fill_in(text: str, **environment: str) -> tuple[Any, list[str]]:
    tree, problems = parse(text, START)
    assert not problems
    data, unset = resolve(tree, environment)
    return data, [str(problem) for problem in unset]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-17", -17),
        ("+3", 3),
        ("007", 7),
        ("0o17", 15),
        ("0xFf", 255),
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("5.", 5.0),
        (".5", 0.5),
        ("-1.5e+3", -1500.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("9" * 400, int("9" * 400)),
    ],
)
def test_core_schema(text: str, value: Any) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


SPELLINGS = {
    None: ("", "~", "null", "Null", "NULL"),
    True: ("true", "True", "TRUE"),
    False: ("false", "False", "FALSE"),
    math.inf: (".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"),
    -math.inf: ("-.inf", "-.Inf", "-.INF"),
}


@pytest.mark.parametrize("value", SPELLINGS)
def test_a_constant_is_itself_in_each_spelling_of_the_standard(value: Any) -> None:
    assert [typed(text) for text in SPELLINGS[value]] == [value] * len(SPELLINGS[value])


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_nan_is_a_number(text: str) -> None:
    assert math.isnan(typed(text))


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "off", "Yes", "y", "TrUe", "nUll", "inf", "nan", "Infinity"),
        *("1_000", "0b1", "0o8", "0xg", "-0x1", "12:30:45", "2024-01-01", "1e", ".", "e5"),
        *("=", "<<", "1.2.3", "1 2", "९", "5e-4,", "9" * 401),
    ],
)
def test_everything_else_is_text(text: str) -> None:
    assert typed(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${X}", "one"),
        ("a: ${X}/b/${X}", "one/b/one"),
        ("a: ${NUMBER}", 7),
        ("a: '${NUMBER}'", "7"),
        ("a: ${NUMBER}e-1", 0.7),
        ("a: ${MISSING:-1e-3}", 1e-3),
        ("a: ${MISSING:-}", None),
        ("a: '${MISSING:-}'", ""),
        ("a: ${EMPTY}", None),
        ("a: ${EMPTY:-default}", "default"),
        ("a: ${X:-default}", "one"),
        ("a: ${MISSING:-a b/c:d-$e}", "a b/c:d-$e"),
        ("a: $X", "$X"),
        ("a: $", "$"),
        ("a: $$X", "$$X"),
        ("a: $${X}", "${X}"),
        ("a: $$${X}", "$${X}"),
        ("a: '{x}'", "{x}"),
        ("a: ${TRICK}", "${X}"),
    ],
)
def test_variables_are_filled_in_once(text: str, value: Any) -> None:
    environment = {"X": "one", "NUMBER": "7", "EMPTY": "", "TRICK": "${X}"}
    assert fill_in(text, **environment) == ({"a": value}, [])


def test_an_unset_variable_is_a_problem_that_names_the_nearest() -> None:
    _, problems = fill_in("a:\n  - ${FACESIM_CELEBBA}\n", FACESIM_CELEBA="x")
    (message,) = problems
    assert message == (
        "f.yaml:2:5: a.0: the environment variable FACESIM_CELEBBA is not set "
        "(did you mean 'FACESIM_CELEBA'?); set it, or write a default: ${FACESIM_CELEBBA:-value}"
    )


@pytest.mark.parametrize(
    "wrong", ["${}", "${1X}", "${X:y}", "${X-y}", "${ X }", "${X", "${X:-${Y}}", "${X:-{}}", "${"]
)
def test_what_looks_like_a_variable_but_is_none_is_a_problem(wrong: str) -> None:
    _, problems = fill_in(f"a: '{wrong}'", X="one", Y="two")
    assert problems
    assert "a variable is written ${NAME} or ${NAME:-default}, not ${" in problems[0]


def test_a_variable_that_is_no_text_is_a_problem() -> None:
    _, problems = fill_in("a: ${X}", X="\udcff")
    assert problems == ["f.yaml:1:4: a: the environment variable X is not UTF-8 text"]


@pytest.mark.parametrize(
    "text", ["${X}", "$${X}", "$$${X}", "a${", "${X:-y}", "$", "{}", "${${X}}", "plain", "$$"]
)
def test_escaped_text_is_read_back_as_it_is(text: str) -> None:
    node = Node(Scalar(escaped(text), plain=False), START, START)
    assert resolve(node, {"X": "one"}) == (text, [])


def test_a_default_is_taken_where_its_variable_is_not_set_or_empty() -> None:
    tree, _ = parse("a: [x, '${A:-b}/${C}']\nb: ${B:-1}\nc: $${A:-1}\nd: ${C}", START)
    assert defaults_taken(tree, {"B": "", "C": "1"}) == {
        ("a", 1): "A (f.yaml:1:8)",
        ("b",): "B (f.yaml:2:4)",
    }
    assert defaults_taken(tree, {"A": "1", "B": "2"}) == {}
