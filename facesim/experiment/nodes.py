"""The tree of an experiment file; every node knows where it was written."""

from collections.abc import Iterator
from dataclasses import dataclass

from facesim.errors import FacesimError, count

KeyPath = tuple[str | int, ...]
"""Keys of mappings and indices of sequences, from the root."""


@dataclass(frozen=True)
class Mark:
    """A position in a file; line and column count from 1, and line 0 is the file as a whole.

    Attributes:
        file: empty where there is none, but only the command line.
        note: the override on the command line that put the value there, if one did.
    """

    file: str
    line: int
    column: int
    note: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.file and self.line else self.file
        return ": ".join(filter(None, (place, self.note)))


def is_text(value: str) -> bool:
    """Whether a string can be UTF-8 text and a file's name: no lone surrogate, no NUL."""
    try:
        return b"\0" not in value.encode("utf-8")
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class Scalar:
    """A scalar as it was written; a plain one (without quotes) may be a number, a bool or null."""

    text: str
    plain: bool


@dataclass(frozen=True)
class Node:
    """A value with its position in the file.

    Attributes:
        value: a scalar, a mapping or a sequence.
        mark: where the value begins.
        key_mark: where its key begins; the value's own place in a sequence.
    """

    value: "Scalar | dict[str, Node] | list[Node]"
    mark: Mark
    key_mark: Mark

    @property
    def entries(self) -> "dict[str, Node]":
        """A copy of a mapping's entries; empty for anything else."""
        return dict(self.value) if isinstance(self.value, dict) else {}

    def children(self) -> Iterator[tuple[str | int, "Node"]]:
        """Keys or indices with their nodes; nothing for a scalar."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def child(self, key: str | int) -> "Node | None":
        """The node at a key of a mapping or at an index of a sequence."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        position = str(key)
        if isinstance(self.value, list) and position.isdecimal() and len(position) < 10:
            return self.value[int(position)] if int(position) < len(self.value) else None
        return None

    def nearest(self, path: KeyPath) -> "tuple[Node, tuple[str | int, ...]]":
        """The deepest existing node along ``path``, and the part of the path that exists."""
        node = self
        for depth, key in enumerate(path):
            below = node.child(key)
            if below is None:
                return node, path[:depth]
            node = below
        return node, path


def shortened(text: str, most: int = 100) -> str:
    """Text for a message, which a key or an argument of a megabyte would hide."""
    return text if len(text) <= most else f"{text[:most]}..."


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an experiment file."""

    mark: Mark
    path: KeyPath
    message: str

    @property
    def place(self) -> tuple[str, int, int]:
        """File, line and column, to sort by."""
        return self.mark.file, self.mark.line, self.mark.column

    def __str__(self) -> str:
        dotted = ".".join(shortened(str(key)) for key in self.path)
        return ": ".join(filter(None, (str(self.mark), dotted, self.message)))


class ExperimentError(FacesimError):
    """An invalid experiment file; the message has a line per problem.

    Attributes:
        problems: all of them; the text shows the first ``MOST_SHOWN``.
    """

    MOST_SHOWN = 50

    def __init__(self, problems: list[Problem]) -> None:
        lines = list(dict.fromkeys(str(problem) for problem in problems))
        more = len(lines) - self.MOST_SHOWN
        if more > 0:
            lines = [*lines[: self.MOST_SHOWN], f"... and {count(more, 'more problem')}"]
        super().__init__("\n".join(lines))
        self.problems = problems
