"""Pydantic's errors, worded for the writer of an experiment file."""

from typing import Any

from pydantic import BaseModel, ValidationError

from facesim.errors import did_you_mean
from facesim.experiment.known_keys import known_keys
from facesim.experiment.source import Node, Problem

_MAX_VALUE = 80


def problems_of(
    error: ValidationError, root: Node, data: Any, model: type[BaseModel]
) -> list[Problem]:
    """One problem per wrong place of the file, in the order of the file.

    The alternatives of a union fail one by one in pydantic; here they are one problem.
    """
    messages: dict[tuple[Any, tuple[str | int, ...]], list[str]] = {}
    for detail in error.errors(include_url=False):
        located = _locate(detail, root, data, model)
        messages.setdefault(located[:2], []).append(located[2])
    problems = [
        Problem(mark, path, " or ".join(dict.fromkeys(texts)))
        for (mark, path), texts in messages.items()
    ]
    return sorted(problems, key=lambda problem: (problem.mark.file, problem.mark.line))


def _locate(detail: Any, root: Node, data: Any, model: type[BaseModel]) -> tuple[Any, Any, str]:
    node, path = root.nearest(detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = known_keys(model, path[:-1], data)
        guess = did_you_mean(str(path[-1]), known)
        listed = "" if guess else f"; known here: {', '.join(known)}"
        return node.key_mark, path, f"unknown key{guess}{listed}"
    if detail["type"] == "missing":
        missing = detail["loc"][len(path)]
        where = node.key_mark if path else node.mark
        return where, path, f"the key `{missing}` is missing"
    if detail["type"].startswith("facesim_") or detail["type"] == "plugin_node":
        return node.mark, path, str(detail["msg"])
    return node.mark, path, _sentence(detail)


def _sentence(detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    shown = repr(detail["input"])
    if len(shown) > _MAX_VALUE:
        shown = shown[:_MAX_VALUE] + "..."
    return f"{message[:1].lower()}{message[1:]}, not {shown}"
