"""YAML text as a tree that remembers where each value was written."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from facesim.errors import FacesimError

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 50

_STR_TAG = "tag:yaml.org,2002:str"
_PLAIN_TAGS = (_STR_TAG, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Mark:
    """A place in a file; line and column count from 1.

    Attributes:
        note: the override on the command line that put the value there, if one did.
    """

    file: str
    line: int
    column: int
    note: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.note}" if self.note else place


@dataclass(frozen=True)
class Scalar:
    """A scalar as it was written; a plain one (without quotes) may be a number, a bool or null."""

    text: str
    plain: bool


@dataclass(frozen=True)
class Node:
    """A value with its place.

    Attributes:
        value: a scalar, a mapping or a sequence.
        mark: where the value begins.
        key_mark: where its key begins; the value's own place in a sequence.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    mark: Mark
    key_mark: Mark

    def children(self) -> "Iterator[tuple[str | int, Node]]":
        """Keys or positions with their nodes; nothing for a scalar."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def child(self, key: "str | int") -> "Node | None":
        """The node at a key of a mapping or at a position of a sequence."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        if isinstance(self.value, list) and str(key).isdigit() and int(key) < len(self.value):
            return self.value[int(key)]
        return None

    def nearest(self, path: "tuple[str | int, ...]") -> "tuple[Node, tuple[str | int, ...]]":
        """The deepest existing node along ``path`` and the part of the path that leads to it."""
        node = self
        for depth, key in enumerate(path):
            below = node.child(key)
            if below is None:
                return node, path[:depth]
            node = below
        return node, path


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an experiment file."""

    mark: Mark
    path: "tuple[str | int, ...]"
    message: str

    def __str__(self) -> str:
        dotted = ".".join(str(key) for key in self.path)
        return (
            f"{self.mark}: {dotted}: {self.message}" if dotted else f"{self.mark}: {self.message}"
        )


class ExperimentError(FacesimError):
    """An experiment file that cannot be used; its text has one line per problem."""

    def __init__(self, problems: "list[Problem]") -> None:
        super().__init__("\n".join(dict.fromkeys(str(problem) for problem in problems)))
        self.problems = problems


def read_source(path: Path) -> "tuple[Node, list[Problem]]":
    """Parse a file.

    Raises:
        ExperimentError: the file cannot be read, or is no YAML mapping.
    """
    start = Mark(str(path), 1, 1)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ExperimentError(
            [Problem(replace(start, line=line), (), "not UTF-8 text; save the file as UTF-8")]
        ) from None
    except OSError as error:
        raise ExperimentError([Problem(start, (), _cannot_read(path, error))]) from None
    if len(content) > MAX_BYTES:
        raise ExperimentError([Problem(start, (), f"larger than {MAX_BYTES} bytes")])
    node, problems = parse(text, start)
    if not isinstance(node.value, dict):
        raise ExperimentError(
            [*problems, Problem(node.mark, (), "an experiment is a mapping of `key: value` lines")]
        )
    return node, problems


def parse(text: str, start: Mark) -> "tuple[Node, list[Problem]]":
    """Parse one YAML document whose first character stands at ``start``.

    Returns:
        The tree, and the problems that do not keep the rest from being read (duplicate keys, tags).

    Raises:
        ExperimentError: the text is no YAML, or is too large or too deep when aliases are expanded.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = _mark(error.problem_mark, start) if error.problem_mark else start
        what = " ".join(part for part in (error.context, error.problem) if part)
        if "${" in text.splitlines()[mark.line - start.line : mark.line - start.line + 1][0]:
            what += '; inside { } or [ ] a variable must be quoted: "${NAME}"'
        raise ExperimentError([Problem(mark, (), f"not valid YAML: {what}")]) from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ExperimentError([Problem(start, (), f"not valid YAML: {reason}")]) from None
    except RecursionError:
        raise ExperimentError([Problem(start, (), f"nested deeper than {MAX_DEPTH}")]) from None
    if root is None:
        return Node(Scalar("", True), start, start), []
    builder = _Builder(start)
    return builder.build(root, (), start), builder.problems


class _Loader(yaml.SafeLoader):
    """Composes nodes and leaves plain scalars alone; YAML 1.2's types are given later."""

    yaml_implicit_resolvers: "dict[str, Any]" = {}  # noqa: RUF012  the base class's own name


@dataclass
class _Builder:
    start: Mark
    problems: "list[Problem]" = field(default_factory=list)
    nodes: int = 0

    def build(self, node: Any, path: "tuple[str | int, ...]", key_mark: Mark) -> Node:
        mark = _mark(node.start_mark, self.start)
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ExperimentError(
                [Problem(mark, path[:3], "too large or too deep once its aliases are expanded")]
            )
        if node.tag not in _PLAIN_TAGS:
            self.problems.append(
                Problem(mark, path, f"the tag {node.tag!r} is not supported; write a plain value")
            )
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, path), mark, key_mark)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self.build(item, (*path, index), _mark(item.start_mark, self.start))
                for index, item in enumerate(node.value)
            ]
            return Node(items, mark, key_mark)
        return Node(Scalar(node.value, node.style is None), mark, key_mark)

    def _mapping(self, node: Any, path: "tuple[str | int, ...]") -> "dict[str, Node]":
        built: dict[str, Node] = {}
        for key, value in node.value:
            mark = _mark(key.start_mark, self.start)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(mark, path, "a key must be a plain word"))
                continue
            if key.value in built:
                first = built[key.value].key_mark
                self.problems.append(
                    Problem(
                        mark,
                        (*path, key.value),
                        f"duplicate key; the first one stands in line {first.line}, keep one",
                    )
                )
                continue
            built[key.value] = self.build(value, (*path, key.value), mark)
        return built


def _mark(mark: Any, start: Mark) -> Mark:
    return replace(start, line=start.line + mark.line, column=mark.column + 1)


def _cannot_read(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        siblings = sorted(path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        known = ", ".join(sibling.name for sibling in siblings[:10])
        return "no such file" + (f"; this folder has {known}" if known else "")
    return f"cannot be read: {error.strerror}"
