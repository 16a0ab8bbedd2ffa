"""The paths that an experiment names, and what they lead to on this machine."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from facesim.atomic import sha256_of
from facesim.experiment.nodes import KeyPath
from facesim.experiment.schema import Experiment, value_at
from facesim.registry import Spec

SHOWN_DIGITS = 12
"""Of a SHA-256 in a message."""


def named_paths(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    """Each path with its key, which is keys and indices from the experiment's root."""
    for key, value in _leaves(experiment):
        # A parameter of a foreign plugin may be a path and yet be annotated as text.
        if isinstance(value, Path) or (isinstance(value, str) and Path(value).is_absolute()):
            yield key, str(value)


def sha256_of_file(path: str) -> str | None:
    """The SHA-256 of a file; None of what is no file, or cannot be read."""
    try:
        return sha256_of(Path(path)) if Path(path).is_file() else None
    except OSError:
        return None  # whoever builds what needs it says so


def portable_data(experiment: Experiment) -> dict[str, Any]:
    """An experiment as plain data that is the same on machines where its files lie elsewhere.

    A file's path is its SHA-256, and any other path only that; those of datasets too, whose content
    is compared by itself.
    """
    data = experiment.as_data()
    for key, path in named_paths(experiment):
        sha256 = None if key[0] == "data" else sha256_of_file(path)
        above = value_at(data, key[:-1])
        above[key[-1]] = "a path" if sha256 is None else f"a file, SHA-256 {sha256[:SHOWN_DIGITS]}"
    return data


def _leaves(value: Any, key: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Spec):
        value = value.parameters
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(below, (*key, str(name)))
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _leaves(below, (*key, index))
    else:
        yield key, value
