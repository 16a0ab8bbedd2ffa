"""The tree of an experiment file and the positions of what is in it."""

import pytest

from facesim.experiment.nodes import ExperimentError, Mark, Node, Problem, Scalar, is_text

MARK = Mark("f.yaml", 3, 5)


def leaf(text: str) -> Node:
    return Node(Scalar(text, plain=True), MARK, MARK)


TREE = Node({"a": Node([leaf("x"), leaf("y")], MARK, MARK), "0": leaf("z")}, MARK, MARK)


@pytest.mark.parametrize(
    ("path", "text"), [(("a", 1), "y"), (("a", "0"), "x"), (("0",), "z"), ((0,), "z")]
)
def test_a_child_is_found_by_key_or_index(path: tuple[str | int, ...], text: str) -> None:
    node, found = TREE.nearest(path)
    assert (node.value, found) == (Scalar(text, plain=True), path)


@pytest.mark.parametrize("key", ["b", "2", "-1", "²", "9" * 20, ""])
def test_nothing_is_found_at_other_keys(key: str) -> None:
    node, found = TREE.nearest(("a", key))
    assert (node, found) == (TREE.child("a"), ("a",))
    assert leaf("x").child(key) is None


def test_entries_are_a_copy_of_those_of_a_mapping() -> None:
    entries = TREE.entries
    entries.clear()
    assert list(TREE.entries) == ["a", "0"]
    assert leaf("x").entries == {}
    assert [key for key, _ in Node([leaf("x")], MARK, MARK).children()] == [0]


@pytest.mark.parametrize(
    ("text", "fits"), [("é", True), ("", True), ("a\0", False), ("\ud800", False)]
)
def test_text_is_what_a_file_can_hold(text: str, fits: bool) -> None:
    assert is_text(text) == fits


def test_a_problem_says_where_and_what() -> None:
    problem = Problem(MARK, ("a", 1), "is wrong")
    assert str(problem) == "f.yaml:3:5: a.1: is wrong"
    assert problem.place == ("f.yaml", 3, 5)
    overridden = Mark("f.yaml", 3, 5, note="--set a=1")
    assert str(Problem(overridden, (), "is wrong")) == "f.yaml:3:5: --set a=1: is wrong"


def test_an_error_has_a_line_per_distinct_problem_and_keeps_all() -> None:
    problems = [Problem(MARK, ("a", index), "is wrong") for index in [*range(52), 0]]
    error = ExperimentError(problems)
    lines = str(error).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "... and 2 more problems"
    assert error.problems == problems
