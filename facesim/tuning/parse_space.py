"""Reads the `search:` of an experiment file into a space."""

import json
import os
from collections import Counter
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from facesim.experiment.error_messages import problems_of
from facesim.experiment.measured_metrics import measured_metrics
from facesim.experiment.merging import placed
from facesim.experiment.nodes import ExperimentError, Node, Problem
from facesim.experiment.schema import Experiment
from facesim.experiment.search import Distribution
from facesim.experiment.yaml_parser import parse
from facesim.experiment.yaml_scalars import resolve
from facesim.experiment.yaml_writer import to_yaml
from facesim.registry.signature import validate_strictly
from facesim.tuning.check_space import ordered, problems_of_declaration, problems_of_limits
from facesim.tuning.space import Choice, Option, Parameter, Range, Space, Value

_KINDS = {"float", "int", "choice"}


def read_space(experiment: Experiment, root: Node) -> Space:
    """The space that an experiment's search declares.

    Both ends of every range and every option of every choice are validated by the experiment's own
    schema, and the experiment itself must lie within the space, because it is the first trial.

    Args:
        experiment: as it was read.
        root: the tree that it came from.

    Raises:
        ExperimentError: with every problem that was found, each with file, line and column.
    """
    if experiment.search is None:
        message = "this experiment declares no search: write `search:` with a `space:` in it"
        raise ExperimentError([Problem(root.mark, (), message)])
    # From the tree, not from the validated search: a problem needs the place of its value, and an
    # option is not yet a plugin's node that a schema could check, because it may hold ranges.
    declared = root.nearest(("search", "space"))[0]
    problems: list[Problem] = []
    parameters = [
        parameter
        for path, node in declared.children()
        if (parameter := _parameter(str(path), str(path), node, problems)) is not None
    ]
    space = Space(*_without_search(experiment, root), tuple(parameters))
    problems += problems_of_declaration(space)
    if not problems:
        # Only now: where a bound refers to nothing, there is neither an order nor a limit.
        space = replace(space, parameters=ordered(space))
        problems += problems_of_limits(space)
    if problems:
        raise ExperimentError(sorted(problems, key=lambda problem: problem.place))
    return space


def _without_search(experiment: Experiment, root: Node) -> tuple[Experiment, Node]:
    """The experiment that the search varies, and its tree.

    It lists what the search compares by in ``evaluate.metrics``, since the experiment of a trial
    has no ``search.metric`` that would say that this is to be measured, too.
    """
    base = experiment.model_copy(update={"search": None})
    tree = replace(root, value={key: node for key, node in root.entries.items() if key != "search"})
    measured = measured_metrics(base)
    missing = [name for name in measured_metrics(experiment) if name not in measured]
    if not missing:
        return base, tree
    listed = [*base.as_data()["evaluate"]["metrics"], *missing]
    mark = root.nearest(("search", "metric"))[0].mark
    evaluate, _ = parse(to_yaml({"metrics": listed}), mark)
    tree = placed(tree, ["evaluate"], evaluate, mark)
    return validate_strictly(Experiment, resolve(tree, os.environ)[0]), tree


def _parameter(name: str, path: str, node: Node, problems: list[Problem]) -> Parameter | None:
    """The parameter that one entry of a space declares; None if it is wrong, with its problems."""
    data = resolve(node, os.environ)[0]
    try:
        distribution = validate_strictly(Distribution, data)
    except ValidationError as error:
        problems += problems_of(error, node, data, Distribution)
        return None
    keys = tuple(path.split("."))
    if distribution.choice is None:
        return Range(name, keys, node, distribution)
    # An option has no key of its own; what is wrong with it is reported where it begins.
    written = [
        replace(option, key_mark=option.mark)
        for _, option in node.nearest(("choice",))[0].children()
    ]
    labels = _labels([_without_ranges(option) for option in written])
    options = []
    for label, option in zip(labels, written, strict=True):
        # The label is in the name, because two options may have ranges at the same path, and one
        # name of Optuna's cannot have two distributions.
        inside = [
            _parameter(f"{name}[{label}].{key}", f"{path}.{key}", below, problems)
            for key, below in option.entries.items()
            if _is_distribution(below)
        ]
        found = tuple(parameter for parameter in inside if parameter is not None)
        options.append(Option(label, _without_ranges(option), found))
    return Choice(name, keys, node, tuple(options))


def _is_distribution(node: Node) -> bool:
    return bool(_KINDS & node.entries.keys())


def _without_ranges(option: Node) -> Node:
    """An option as the experiment can hold it before its ranges have values."""
    if not isinstance(option.value, dict):
        return option
    kept = {key: below for key, below in option.entries.items() if not _is_distribution(below)}
    return replace(option, value=kept)


def _labels(options: list[Node]) -> list[Value]:
    """Short names of a choice's options, because Optuna stores no mappings and no lists.

    A plugin's name where no other option has it, else its parameters besides, as JSON.
    """
    values = [resolve(option, os.environ)[0] for option in options]
    names = Counter(_plugin_name(value) for value in values)
    labels: list[Value] = []
    for value in values:
        name = _plugin_name(value)
        if isinstance(value, dict) and name is not None:
            rest = {key: below for key, below in value.items() if key != "name"}
            labels.append(name if names[name] == 1 or not rest else f"{name} {json.dumps(rest)}")
        else:
            labels.append(json.dumps(value) if isinstance(value, dict | list) else value)
    return labels


def _plugin_name(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None
