"""YAML text to a tree of nodes with positions."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from facesim.bounded import read_file
from facesim.errors import did_you_mean
from facesim.experiment.nodes import ExperimentError, KeyPath, Mark, Node, Problem, Scalar, is_text
from facesim.experiment.shipped import shipped_experiments
from facesim.machine_errors import why_unread

MAX_BYTES = 1_000_000
MAX_NODES = 20_000
MAX_DEPTH = 50

_PLAIN = "plain"
_STANDARD = "tag:yaml.org,2002:"
_TAGS = (_PLAIN, _STANDARD + "str", _STANDARD + "map", _STANDARD + "seq")


def read_source(path: Path, content: bytes | None = None) -> tuple[Node, list[Problem]]:
    """Parse a file.

    Args:
        path: the file.
        content: of it, where it has been read; at most `MAX_BYTES`.

    Raises:
        ExperimentError: the file cannot be read, or is not a YAML mapping.
    """
    start = Mark(str(path), 1, 1)
    try:
        if content is None:
            content = read_file(path, MAX_BYTES)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ExperimentError(
            [Problem(replace(start, line=line), (), "not UTF-8 text; save the file as UTF-8")]
        ) from None
    except (OSError, ValueError) as error:
        whole = Mark(str(path), 0, 0)
        raise ExperimentError([Problem(whole, (), _cannot_read(path, error))]) from None
    node, problems = parse(text, start)
    if not isinstance(node.value, dict):
        raise ExperimentError(
            [*problems, Problem(node.mark, (), "an experiment is a mapping of `key: value` lines")]
        )
    return node, problems


def parse(text: str, start: Mark) -> tuple[Node, list[Problem]]:
    """Parse one YAML document whose first character is at ``start``.

    Returns:
        The tree, and the problems beside which the rest can be read (duplicate keys, tags).

    Raises:
        ExperimentError: the text is not YAML, or too large or deep once aliases are expanded.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark, what = _syntax_error(error, text, start)
        raise ExperimentError([Problem(mark, (), f"not valid YAML: {what}")]) from None
    except _TooLargeError as error:
        message = f"more than {MAX_NODES:,} values, or nested deeper than {MAX_DEPTH}"
        raise ExperimentError([Problem(_mark(error.mark, start), (), message)]) from None
    if root is None:
        return Node(Scalar("", True), start, start), []
    builder = _Builder(start)
    return builder.build(root, (), start), builder.problems


class _TooLargeError(Exception):
    """The text has more nodes, or nests them deeper, than an experiment may."""

    def __init__(self, mark: Any) -> None:
        super().__init__()
        self.mark = mark


class _Loader(yaml.SafeLoader):
    """Composes nodes without typing plain scalars.

    Their types are those of YAML 1.2 and depend on environment variables, so that they are given
    when the tree is resolved.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._composed = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node with those below it; stops at the limits, before the rest of a file is read."""
        self._composed += 1
        self._depth += 1
        if self._composed > 2 * MAX_NODES or self._depth > MAX_DEPTH + 1:
            raise _TooLargeError(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """The tag of a node that was written without one."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        tag: str = super().resolve(kind, value, (False, False))  # type: ignore[no-untyped-call]
        return tag


@dataclass
class _Builder:
    start: Mark
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def build(self, node: Any, path: KeyPath, key_mark: Mark) -> Node:
        mark = _mark(node.start_mark, self.start)
        # An alias is built again wherever it is used, so that a few lines can expand to billions of
        # nodes; the limits are on what is built, not on the text.
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ExperimentError(
                [Problem(mark, path[:3], "too large or too deep once its aliases are expanded")]
            )
        if node.tag not in _TAGS:
            tag = (
                "!!" + node.tag.removeprefix(_STANDARD)
                if node.tag.startswith(_STANDARD)
                else node.tag
            )
            message = f"the tag {tag} is not supported; write a plain value"
            self.problems.append(Problem(mark, path, message))
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, path), mark, key_mark)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self.build(item, (*path, index), _mark(item.start_mark, self.start))
                for index, item in enumerate(node.value)
            ]
            return Node(items, mark, key_mark)
        if not is_text(node.value):
            self.problems.append(
                Problem(mark, path, "holds a NUL or an unpaired surrogate, which is not text")
            )
            return Node(Scalar("", plain=False), mark, key_mark)
        return Node(Scalar(node.value, node.tag == _PLAIN), mark, key_mark)

    def _mapping(self, node: Any, path: KeyPath) -> dict[str, Node]:
        built: dict[str, Node] = {}
        for key, value in node.value:
            mark = _mark(key.start_mark, self.start)
            reason = _key_error(key)
            if not reason and key.value in built:
                line = built[key.value].key_mark.line
                reason = f"duplicate key, first given in line {line}; keep one of the two"
            if reason:
                known = (key.value,) if isinstance(key.value, str) and is_text(key.value) else ()
                self.problems.append(Problem(mark, (*path, *known), reason))
            else:
                built[key.value] = self.build(value, (*path, key.value), mark)
        return built


def _key_error(key: Any) -> str:
    if not isinstance(key, yaml.ScalarNode) or not is_text(key.value):
        return "a key must be a plain word"
    if key.value == "<<" and key.tag == _PLAIN:
        return "YAML 1.2 has no merge keys; write the keys out, or use `extends: other.yaml`"
    return ""


def _syntax_error(error: yaml.YAMLError, text: str, start: Mark) -> tuple[Mark, str]:
    """Where the text stops being YAML, and the parser's reason."""
    if isinstance(error, ReaderError):
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1)
        mark = replace(start, line=start.line + before.count("\n"), column=column + 1)
        return mark, f"the character {chr(error.character)!r} is not allowed"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return start, " ".join(str(error).split())
    what = " ".join(part for part in (error.context, error.problem) if part)
    lines = text.splitlines()
    if "${" in "".join(lines[error.problem_mark.line : error.problem_mark.line + 1]):
        what += '; inside { } or [ ] a variable must be quoted: "${NAME}"'
    return _mark(error.problem_mark, start), what


def _mark(mark: Any, start: Mark) -> Mark:
    return replace(start, line=start.line + mark.line, column=mark.column + 1)


def _cannot_read(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        siblings = sorted(sibling.name for sibling in path.parent.glob("*.y*ml"))
        guess = did_you_mean(path.name, siblings)
        known = f"; that folder has {', '.join(siblings[:10])}" if siblings and not guess else ""
        if path.stem in shipped_experiments():
            known += f"; `{path.stem}`, as it stands here, is an experiment that comes with facesim"
        return f"{why_unread(error)}{guess}{known}"
    return why_unread(error) if isinstance(error, OSError) else f"cannot be read: {error}"
