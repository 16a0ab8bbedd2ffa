"""Pydantic's errors, worded for the writer of an experiment file."""

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from facesim.errors import did_you_mean, nearest
from facesim.experiment.nodes import KeyPath, Mark, Node, Problem, Scalar
from facesim.experiment.schema import elsewhere, keys_at, type_at
from facesim.experiment.yaml_scalars import typed
from facesim.registry import Registry
from facesim.registry.type_descriptions import (
    describe_type,
    has_any_length,
    literals,
    strip_annotated,
    union_members,
)

_MAX_SHOWN = 80
_OWN_MESSAGE = ("value_error", "assertion_error", "facesim_plugin")
_MISSING = "Field required"  # pydantic's message; a validator of the schema has its own
_NOT_FINITE = {"Infinity": ".inf", "-Infinity": "-.inf", "NaN": ".nan"}
_NOT_TEXT = ("int_type", "float_type", "bool_type", "literal_error")
_YAML_1_1_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def problems_of(
    error: ValidationError, root: Node, data: Any, model: type[BaseModel]
) -> list[Problem]:
    """Turn a ValidationError into one problem per position in the file.

    Pydantic reports the alternatives of a union one by one; here they are one problem, whose
    message lists all that the schema accepts there.

    Args:
        error: what validating ``data`` raised.
        root: the tree of ``data``.
        data: the file's plain data.
        model: the root of the schema.
    """
    # Pydantic locates an error of a union's alternative below that alternative's name, which is no
    # key of the file: the nearest existing node brings all of them to the same position.
    at_place: dict[tuple[Mark, KeyPath], list[Problem]] = {}
    details = error.errors(include_url=False, include_context=False)
    misspelt = _misspelt([detail["loc"] for detail in details if _is_unknown(detail)], data, model)
    for detail in details:
        if detail["type"] == "missing" and detail["loc"] in misspelt:
            continue  # `epohcs` is told as unknown; that `epochs` is missing would be the same
        problem = _problem(detail, root, data, model)
        at_place.setdefault((problem.mark, problem.path), []).append(problem)
    return [problem for problems in at_place.values() for problem in _longest(problems)]


def _is_unknown(detail: Any) -> bool:
    return bool(detail["type"] == "extra_forbidden")


def _misspelt(unknown: list[KeyPath], data: Any, model: type[BaseModel]) -> set[KeyPath]:
    """The keys that unknown ones were probably meant to be; these are not reported missing too."""
    return {
        (*path[:-1], key)
        for path in unknown
        for key in nearest(str(path[-1]), keys_at(model, path[:-1], data))[:1]
    }


def _longest(problems: list[Problem]) -> list[Problem]:
    """Drop a problem whose message is the beginning of another one's."""
    return [
        problem
        for problem in dict.fromkeys(problems)
        if not any(
            problem != other and other.message.startswith(problem.message) for other in problems
        )
    ]


def _problem(detail: Any, root: Node, data: Any, model: type[BaseModel]) -> Problem:
    node, path = root.nearest(detail["loc"])
    if _is_unknown(detail):
        return Problem(node.key_mark, path, _unknown_key(path, data, model))
    if detail["type"] == "missing" and isinstance(node.value, dict | Scalar):
        mark = node.key_mark if path else node.mark
        told = _missing_key(detail["loc"][: len(path) + 1], data, model)
        of_schema = "" if detail["msg"] == _MISSING else f". {detail['msg']}"
        return Problem(mark, path, told + of_schema)
    if detail["type"] in _OWN_MESSAGE:
        return Problem(node.mark, path, _own_message(detail))
    wanted = type_at(model, path, data)
    if wanted is None:
        return Problem(node.mark, path, f"{detail['msg']}, not {_shown(detail['input'])}")
    return Problem(node.mark, path, _wrong_value(node, wanted, detail))


def _unknown_key(path: KeyPath, data: Any, model: type[BaseModel]) -> str:
    key, known = str(path[-1]), keys_at(model, path[:-1], data)
    guess = did_you_mean(key, known)
    others = elsewhere(model, key, data)
    if not guess and others:
        guess = f" (did you mean {' or '.join(map(repr, others))}?)"
    return f"unknown key{guess}" if guess else f"unknown key (known here: {', '.join(known)})"


def _missing_key(path: KeyPath, data: Any, model: type[BaseModel]) -> str:
    wanted = type_at(model, path, data)
    registries = [
        item
        for member in union_members(wanted)
        for item in strip_annotated(member)[1]
        if isinstance(item, Registry)
    ]
    if registries:
        meant = f"; `facesim plugins {registries[0].plural}` lists what it may be"
    else:
        meant = f" ({describe_type(wanted)})" if wanted else ""
    return f"the key `{path[-1]}` is missing{meant}"


def _own_message(detail: Any) -> str:
    """The message of a plugin's node or of a validator of the schema."""
    if detail["type"] == "facesim_plugin":
        return str(detail["msg"])
    message = str(detail["msg"]).partition(", ")[2]  # behind pydantic's "Value error, "
    about = "" if isinstance(detail["input"], dict) else f" (it is {_shown(detail['input'])})"
    return message + about


def _wrong_value(node: Node, wanted: Any, detail: Any) -> str:
    value = detail["input"]
    message = f"must be {describe_type(wanted)}, not {_shown(value)}"
    if isinstance(value, str):
        message += did_you_mean(value, literals(wanted))
    hint = _hint(node, wanted, str(detail["type"]))
    return f"{message} ({hint})" if hint else message


def _hint(node: Node, wanted: Any, error: str) -> str:
    """How to write what was probably meant."""
    if not isinstance(node.value, Scalar):
        return ""
    text = node.value.text
    if error == "bool_type" and text.lower() in _YAML_1_1_BOOLEANS:
        return f"write {_YAML_1_1_BOOLEANS[text.lower()]}"
    if error == "finite_number":
        return "write a finite number"
    if error in _NOT_TEXT and not node.value.plain:
        if "${" in text:
            return "a variable in quotes is text: write it without them, outside of { } and [ ]"
        return "" if isinstance(typed(text), str) else "take the quotes away"
    if error in ("string_type", "path_type") and text and node.value.plain:
        return f"write it in quotes: '{text}'"
    if error in ("tuple_type", "list_type") and text and has_any_length(wanted):
        return f"write [{text}]"
    return ""


def _shown(value: Any) -> str:
    """A value as the file has it, truncated if it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    written = to_json(value, inf_nan_mode="constants").decode()
    text = repr(value) if isinstance(value, str) else _NOT_FINITE.get(written, written)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
