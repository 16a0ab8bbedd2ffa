"""Scalars as YAML 1.2's core schema reads them, after environment variables are filled in."""

import re
from collections.abc import Mapping
from typing import Any

from facesim.errors import did_you_mean
from facesim.experiment.source import Node, Problem, Scalar

_VARIABLE = re.compile(
    r"\$(?:\$(?=\{)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})"
)
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 400


def resolve(node: Node, environment: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """Turn a tree into plain data.

    ``${NAME}`` and ``${NAME:-default}`` are replaced first (``$${`` stands for ``${``), so that a
    plain ``lr: ${LR:-1e-3}`` is a number.

    Returns:
        The data, and a problem for each variable that is not set and has no default.
    """
    problems: list[Problem] = []
    return _resolve(node, (), environment, problems), problems


def _resolve(
    node: Node,
    path: tuple[str | int, ...],
    environment: Mapping[str, str],
    problems: list[Problem],
) -> Any:
    if isinstance(node.value, Scalar):
        text = _fill_in(node.value.text, node, path, environment, problems)
        return typed(text) if node.value.plain else text
    resolved = [
        (key, _resolve(below, (*path, key), environment, problems))
        for key, below in node.children()
    ]
    if isinstance(node.value, dict):
        return dict(resolved)
    return [value for _, value in resolved]


def typed(text: str) -> Any:
    """A plain scalar's value: null, bool, int, float or, failing these, the text itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _fill_in(
    text: str,
    node: Node,
    path: tuple[str | int, ...],
    environment: Mapping[str, str],
    problems: list[Problem],
) -> str:
    def replacement(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            return "$"
        if environment.get(name) or (name in environment and default is None):
            return environment[name]
        if default is not None:
            return default
        message = (
            f"the environment variable {name} is not set{did_you_mean(name, list(environment))}; "
            f"set it, or write a default: ${{{name}:-value}}"
        )
        problems.append(Problem(node.mark, path, message))
        return match[0]

    return _VARIABLE.sub(replacement, text)
