"""From a file's name to an Experiment, with all that is wrong reported at once."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from facesim import discovery
from facesim.experiment.merging import override, read_with_bases
from facesim.experiment.problems import problems_of
from facesim.experiment.scalars import resolve
from facesim.experiment.schema import Experiment
from facesim.experiment.source import ExperimentError, Node, Problem, Scalar
from facesim.registry import PluginError


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read, merge, fill in, override and validate an experiment file.

    Args:
        path: the file.
        overrides: assignments as ``--set`` takes them, ``train.epochs=5``.

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
    root, wrong = _load_named_plugins(root, data)
    problems += wrong
    try:
        experiment = _validate(resolve(root, os.environ)[0])
    except ValidationError as error:
        broken = [problem.path for problem in problems]
        problems += [
            problem
            for problem in problems_of(error, root, data, Experiment)
            if problem.path not in broken
        ]
    if problems:
        raise ExperimentError(problems)
    return experiment


def _validate(data: Any) -> Experiment:
    """Strictly, as JSON: "5" is no 5 and true is no 1, but a list may be a tuple."""
    return Experiment.model_validate_json(to_json(data, inf_nan_mode="constants"), strict=True)


def _load_named_plugins(root: Node, data: Any) -> tuple[Node, list[Problem]]:
    """Import what ``plugins:`` names; file names become absolute in the returned tree."""
    entries = root.child("plugins")
    if entries is None or not isinstance(entries.value, list):
        return root, []
    problems: list[Problem] = []
    absolute: list[Node] = []
    for index, node in enumerate(entries.value):
        name = str(data["plugins"][index])
        if name.endswith(".py"):
            name = str((Path(node.mark.file).parent / name).absolute())
        absolute.append(replace(node, value=Scalar(name.replace("${", "$${"), plain=False)))
        try:
            discovery.load_named_plugin(name)
        except PluginError as error:
            problems.append(Problem(node.mark, ("plugins", index), str(error)))
    listed = {str(key): node for key, node in root.children()}
    listed["plugins"] = replace(entries, value=absolute)
    return replace(root, value=listed), problems
