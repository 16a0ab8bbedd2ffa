"""From a file's name to an Experiment, with all that is wrong reported at once."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from facesim import discovery
from facesim.errors import PluginError
from facesim.experiment.error_messages import problems_of
from facesim.experiment.merging import override, read_with_bases
from facesim.experiment.nodes import ExperimentError, Node, Problem, Scalar
from facesim.experiment.schema import Experiment
from facesim.experiment.yaml_scalars import escaped, resolve


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read, merge, fill in, override and validate an experiment file.

    Args:
        path: the file.
        overrides: assignments as ``--set`` takes them, ``train.epochs=5``.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    return load_with_source(path, overrides)[0]


def load_with_source(path: Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Node]:
    """Like :func:`load_experiment`, together with the merged tree that the experiment came from.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    root, problems = read_with_bases(path)
    for assignment in overrides:
        try:
            root, wrong = override(root, assignment)
            problems += wrong
        except ExperimentError as error:
            problems += error.problems
    data, unset = resolve(root, os.environ)
    problems += unset
    discovery.load_installed_plugins()
    root, wrong = _load_named_plugins(root)
    problems += wrong
    try:
        experiment = validate(resolve(root, os.environ)[0])
    except ValidationError as error:
        broken = {problem.path for problem in problems}
        problems += [
            problem
            for problem in problems_of(error, root, data, Experiment)
            if problem.path not in broken
        ]
    if problems:
        raise ExperimentError(sorted(problems, key=partial(_place, path)))
    return experiment, root


def load_plugins_of(name: str) -> None:
    """Import the plugins that somebody names on the command line.

    Args:
        name: an experiment file, whose ``plugins:`` are imported however wrong the rest of it is;
            or what could stand there, relative to the working directory.

    Raises:
        ExperimentError: the experiment cannot be read, or a plugin that it names be imported.
        PluginError: there is no such module or file, or importing it failed.
    """
    if not name.endswith((".yaml", ".yml")):
        discovery.load_named_plugin(name, Path.cwd())
        return
    root, problems = read_with_bases(Path(name))
    problems += _load_named_plugins(root)[1]
    if problems:
        raise ExperimentError(sorted(problems, key=partial(_place, Path(name))))


def validate(data: Any) -> Experiment:
    """Strictly, as JSON: "5" is no 5 and true is no 1, but a list may be a tuple.

    Raises:
        ValidationError: pydantic's.
    """
    return Experiment.model_validate_json(to_json(data, inf_nan_mode="constants"), strict=True)


def _load_named_plugins(root: Node) -> tuple[Node, list[Problem]]:
    """Import what ``plugins:`` names; file names become absolute in the returned tree."""
    entries = root.child("plugins")
    if entries is None or not isinstance(entries.value, list):
        return root, []
    problems: list[Problem] = []
    loaded: list[Node] = []
    for index, node in entries.children():
        try:
            loaded.append(_load_named_plugin(node))
        except PluginError as error:
            loaded.append(node)
            problems.append(Problem(node.mark, ("plugins", index), str(error)))
    listed = {str(key): node for key, node in root.children()}
    listed["plugins"] = replace(entries, value=loaded)
    return replace(root, value=listed), problems


def _load_named_plugin(node: Node) -> Node:
    """Import one entry; one that is no text, or has an unset variable, is a problem already."""
    name, unset = resolve(node, os.environ)
    if unset or not isinstance(name, str):
        return node
    # What stands in a file is relative to that file, what is typed is relative to the shell.
    folder = Path.cwd() if node.mark.note else Path(node.mark.file).absolute().parent
    entry = discovery.load_named_plugin(name, folder)
    return replace(node, value=Scalar(escaped(entry), plain=False))


def _place(path: Path, problem: Problem) -> tuple[bool, str, int, int]:
    """The order of the problems: that of the file, after it those of the files it extends."""
    mark = problem.mark
    return mark.file != str(path), mark.file, mark.line, mark.column
