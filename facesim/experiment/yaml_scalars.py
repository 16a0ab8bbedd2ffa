"""Scalars by YAML 1.2's core schema, after substitution of environment variables."""

import re
from collections.abc import Mapping
from typing import Any

from facesim.errors import did_you_mean
from facesim.experiment.nodes import KeyPath, Node, Problem, Scalar, is_text

_VARIABLE = re.compile(
    r"\$\$(?=\{)"  # the escape $${, of which one $ remains
    # A default holds no braces: variables do not nest, and the first } ends it.
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:[^${}]|\$(?!\{))*))?\}"
    # Whatever else begins like one is a mistake and not text; shown up to 40 characters.
    r"|(?P<wrong>\$\{[^}]{0,40}\}?)"
)
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
# YAML 1.2: no octal 017, no sexagesimal 1:30, no 1_000; "yes" and "on" are text.
_INTEGER = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 400
"""Longer texts are not numbers: Python refuses to convert thousands of digits."""


def resolve(node: Node, environment: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """Turn a tree into plain data.

    ``${NAME}`` and ``${NAME:-default}`` are replaced first (``$${`` stands for ``${``), so that a
    plain ``lr: ${LR:-1e-3}`` is a number. As in a shell, the default also stands for an empty
    variable.

    Returns:
        The data, and a problem per variable that is not set and has no default.
    """
    problems: list[Problem] = []
    return _resolve(node, (), environment, problems), problems


def defaults_taken(
    node: Node, environment: Mapping[str, str], path: KeyPath = ()
) -> dict[KeyPath, str]:
    """The scalars where a default stands for a variable: its name, and where the file has it."""
    if not isinstance(node.value, Scalar):
        found: dict[KeyPath, str] = {}
        for key, below in node.children():
            found |= defaults_taken(below, environment, (*path, key))
        return found
    names = [
        match["name"]
        for match in _VARIABLE.finditer(node.value.text)
        if match["default"] is not None and not environment.get(match["name"])
    ]
    return {path: f"{names[0]} ({node.mark})"} if names else {}


def typed(text: str) -> Any:
    """A plain scalar's value: None, bool, int, float, or else the text itself."""
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


def escaped(text: str) -> str:
    """Escape text so that :func:`resolve` returns it unchanged, whatever variables are set."""
    return text.replace("${", "$${")


def _resolve(
    node: Node, path: KeyPath, environment: Mapping[str, str], problems: list[Problem]
) -> Any:
    if isinstance(node.value, Scalar):
        text, reasons = _fill_in(node.value.text, environment)
        problems += [Problem(node.mark, path, reason) for reason in reasons]
        value = typed(text) if node.value.plain else text
        if isinstance(value, int) and abs(value) >= 2**63:
            problems.append(Problem(node.mark, path, "a whole number that 64 bits do not hold"))
        return value
    resolved = [
        (key, _resolve(below, (*path, key), environment, problems))
        for key, below in node.children()
    ]
    if isinstance(node.value, dict):
        return dict(resolved)
    return [value for _, value in resolved]


def _fill_in(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with its variables replaced, and why some could not be."""
    reasons: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["wrong"]:
            reasons.append(
                f"a variable is written ${{NAME}} or ${{NAME:-default}}, not {match[0]}; "
                "$${ stands for a plain ${"
            )
            return match[0]
        if name is None:
            return "$"
        # As in a shell: a default also replaces an empty variable; without one, empty it stays.
        value = environment.get(name) or default or environment.get(name, default)
        if value is None:
            reasons.append(
                f"the environment variable {name} is not set{did_you_mean(name, list(environment))}"
                f"; set it, or write a default: ${{{name}:-value}}"
            )
            return match[0]
        if not is_text(value):
            reasons.append(f"the environment variable {name} is not UTF-8 text")
            return match[0]
        return value

    return _VARIABLE.sub(replacement, text), reasons
