"""From the `search:` of an experiment file to a space in which every end has been validated."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from facesim.errors import did_you_mean
from facesim.experiment.error_messages import problems_of
from facesim.experiment.nodes import ExperimentError, Node, Problem
from facesim.experiment.schema import Experiment
from facesim.experiment.search import Distribution
from facesim.experiment.yaml_scalars import resolve
from facesim.tuning.base_trial import problems_of_base
from facesim.tuning.space import (
    Choice,
    Option,
    Parameter,
    Range,
    Setting,
    Space,
    Value,
    is_number,
    number_at,
)

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
    declared = root.nearest(("search", "space"))[0]
    problems: list[Problem] = []
    parameters = [
        parameter
        for path, node in declared.children()
        if (parameter := _parameter(str(path), str(path), node, problems)) is not None
    ]
    base = experiment.model_copy(update={"search": None})
    plain = {key: node for key, node in root.entries.items() if key != "search"}
    space = Space(base, replace(root, value=plain), tuple(parameters))
    problems += [*_beneath_choices(space), *_wrong_references(space)]
    problems += _wrong_points(space, space.parameters, [])
    if not problems:
        space = replace(space, parameters=_ordered(space))
        problems += [*_empty_ranges(space), *problems_of_base(space)]
    if problems:
        raise ExperimentError(sorted(problems, key=lambda problem: problem.place))
    return space


def _parameter(name: str, path: str, node: Node, problems: list[Problem]) -> Parameter | None:
    data = resolve(node, os.environ)[0]
    text = to_json(data, inf_nan_mode="constants")
    try:
        distribution = Distribution.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems += problems_of(error, node, data, Distribution)
        return None
    keys = tuple(path.split("."))
    if distribution.choice is None:
        return Range(name, keys, node, distribution)
    listed = node.nearest(("choice",))[0]
    labels = _labels([_without_ranges(option) for _, option in listed.children()])
    options = tuple(
        _option(name, path, label, option, problems)
        for label, (_, option) in zip(labels, listed.children(), strict=True)
    )
    return Choice(name, keys, node, options)


def _option(name: str, path: str, label: Value, node: Node, problems: list[Problem]) -> Option:
    node = replace(node, key_mark=node.mark)
    inside = [
        _parameter(f"{name}[{label}].{key}", f"{path}.{key}", below, problems)
        for key, below in node.entries.items()
        if _is_distribution(below)
    ]
    found = tuple(parameter for parameter in inside if parameter is not None)
    return Option(label, _without_ranges(node), found)


def _is_distribution(node: Node) -> bool:
    return bool(_KINDS & node.entries.keys())


def _without_ranges(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    kept = {key: below for key, below in node.value.items() if not _is_distribution(below)}
    return replace(node, value=kept)


def _labels(options: list[Node]) -> list[Value]:
    """Short names of a choice's options: a plugin's name where no other option has it."""
    values = [resolve(option, os.environ)[0] for option in options]
    names = Counter(_plugin_name(value) for value in values)
    return [_label(value, alone=names[_plugin_name(value)] == 1) for value in values]


def _plugin_name(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else value
    return name if isinstance(name, str) else None


def _label(value: Any, *, alone: bool) -> Value:
    name = _plugin_name(value)
    if isinstance(value, dict) and name is not None:
        rest = {key: below for key, below in value.items() if key != "name"}
        return name if alone or not rest else f"{name} {json.dumps(rest)}"
    return json.dumps(value) if isinstance(value, dict | list) else value


def _beneath_choices(space: Space) -> Iterator[Problem]:
    """A path below one that is itself chosen means nothing for the other options."""
    choices = [parameter for parameter in space.parameters if isinstance(parameter, Choice)]
    for parameter in space.parameters:
        for choice in choices:
            if choice != parameter and parameter.path[: len(choice.path)] == choice.path:
                key = ".".join(parameter.path[len(choice.path) :])
                message = (
                    f"`{choice.name}` is itself a choice; write the range inside of the option "
                    f"that has it: {{name: ..., {key}: {{...}}}}"
                )
                yield _problem(parameter, message)


def _wrong_references(space: Space) -> Iterator[Problem]:
    fixed = space.base.as_data()
    searched = {parameter.name: parameter for parameter in space.parameters}
    for range_ in space.ranges():
        for key in ("at_most", "at_least"):
            other = getattr(range_.distribution, key)
            if other is None or isinstance(searched.get(other), Range):
                continue
            chosen = [c for c in searched.values() if isinstance(c, Choice)]
            varies = any(tuple(other.split("."))[: len(c.path)] == c.path for c in chosen)
            if varies or not is_number(fixed, other):
                why = "belongs to a choice" if varies else "is no parameter that holds a number"
                node = range_.node.nearest((key,))[0]
                guess = did_you_mean(other, [*searched, *_numbers(fixed)])
                yield Problem(
                    node.mark, ("search", "space", range_.name), f"{other!r} {why}{guess}"
                )


def _numbers(data: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of every number."""
    if isinstance(data, dict):
        for key, below in data.items():
            yield from _numbers(below, f"{path}.{key}" if path else str(key))
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield path


def _wrong_points(
    space: Space, parameters: Iterable[Parameter], settings: list[Setting]
) -> Iterator[Problem]:
    """What the schema says against the ends of the ranges and against the options."""
    for parameter in parameters:
        if isinstance(parameter, Range):
            for end in (parameter.bound(0), parameter.bound(1)):
                yield from _wrong_point(space, [*settings, Setting(parameter.path, end)])
            continue
        for option in parameter.options:
            chosen = [*settings, Setting(parameter.path, option.node)]
            inside = [*chosen, *_lowest(option)]
            wrong = list(_wrong_point(space, inside))
            yield from wrong
            if not wrong:
                yield from _wrong_points(space, option.parameters, inside)


def _lowest(option: Option) -> Iterator[Setting]:
    """Values for the parameters of an option, so that one of which they are required is whole."""
    for parameter in option.parameters:
        if isinstance(parameter, Range):
            yield Setting(parameter.path, parameter.bound(0))
        else:
            yield Setting(parameter.path, parameter.options[0].node)


def _wrong_point(space: Space, settings: list[Setting]) -> list[Problem]:
    try:
        root = space.tree_with(settings)
    except ExperimentError as error:
        return error.problems
    data = resolve(root, os.environ)[0]
    try:
        space.experiment_with(settings)
    except ValidationError as error:
        return problems_of(error, root, data, Experiment)
    return []


def _ordered(space: Space) -> tuple[Parameter, ...]:
    """The parameters so that each comes after those that its bounds refer to."""
    named = {parameter.name: parameter for parameter in space.parameters}
    needs = {name: _references(named[name]) & set(named) for name in named}
    try:
        return tuple(named[name] for name in TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = [str(name) for name in error.args[1]]
        message = f"the bounds refer to each other in a circle: {' -> '.join(circle)}"
        raise ExperimentError([_problem(named[circle[0]], message)]) from None


def _references(parameter: Parameter) -> set[str]:
    if isinstance(parameter, Choice):
        inside = [_references(below) for option in parameter.options for below in option.parameters]
        return set().union(*inside)
    given = parameter.distribution
    return {name for name in (given.at_most, given.at_least) if name is not None}


def _empty_ranges(space: Space) -> Iterator[Problem]:
    """Ranges in which no value is left where another parameter takes an extreme value."""
    for range_ in space.ranges():
        given = range_.distribution
        low, high = given.bounds
        if given.at_most and (least := _extremes(space, given.at_most)[0]) < low:
            yield _problem(range_, _none_left(given.at_most, least, f"below {low:g}"))
        if given.at_least and (most := _extremes(space, given.at_least)[1]) > high:
            yield _problem(range_, _none_left(given.at_least, most, f"above {high:g}"))


def _extremes(space: Space, name: str) -> tuple[float, float]:
    """The least and the greatest value of what a bound refers to."""
    for range_ in space.ranges():
        if range_.name == name:
            return range_.distribution.bounds
    value = number_at(space.base.as_data(), name)
    return value, value


def _none_left(other: str, value: float, why: str) -> str:
    return f"no value is left where {other} is {value:g}, {why}"


def _problem(parameter: Parameter, message: str) -> Problem:
    return Problem(parameter.node.key_mark, ("search", "space", parameter.name), message)
