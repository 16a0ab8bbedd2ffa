"""Checks a space before the first trial: a wrong end of a range must not wait for hours."""

import json
import os
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import ValidationError

from facesim.errors import did_you_mean
from facesim.experiment.error_messages import problems_of
from facesim.experiment.nodes import ExperimentError, Node, Problem
from facesim.experiment.schema import Experiment, value_at
from facesim.experiment.yaml_scalars import resolve
from facesim.tuning.space import Choice, Parameter, Range, Setting, Space, walk


def problems_of_declaration(space: Space) -> Iterator[Problem]:
    """What is wrong with the parameters one by one."""
    yield from _below_choices(space)
    yield from _wrong_references(space)
    yield from _wrong_points(space, space.parameters, [])


def problems_of_limits(space: Space) -> Iterator[Problem]:
    """What is wrong with the limits that parameters set each other; they must be in order."""
    yield from _empty_ranges(space)
    yield from _base_outside(space)


def ordered(space: Space) -> tuple[Parameter, ...]:
    """The parameters so that each comes after those that its bounds refer to.

    Raises:
        ExperimentError: they refer to each other in a circle.
    """
    named = {parameter.name: parameter for parameter in space.parameters}
    needs = {
        name: {
            other
            for range_ in walk((parameter,))
            if isinstance(range_, Range)
            for other in (range_.distribution.at_most, range_.distribution.at_least)
            if other in named
        }
        for name, parameter in named.items()
    }
    try:
        return tuple(named[name] for name in TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = [str(name) for name in error.args[1]]
        message = f"the bounds refer to each other in a circle: {' -> '.join(circle)}"
        raise ExperimentError([_problem(named[circle[0]], message)]) from None


def _below_choices(space: Space) -> Iterator[Problem]:
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
    """A bound refers to a range of the space, or to a number that no choice can change."""
    fixed = space.base.as_data()
    searched = {parameter.name: parameter for parameter in space.parameters}
    chosen = [each for each in space.parameters if isinstance(each, Choice)]
    for range_ in space.ranges():
        for key in ("at_most", "at_least"):
            other = getattr(range_.distribution, key)
            if other is None or isinstance(searched.get(other), Range):
                continue
            path = tuple(other.split("."))
            varies = any(path[: len(choice.path)] == choice.path for choice in chosen)
            if varies or not _is_number(value_at(fixed, path)):
                why = "belongs to a choice" if varies else "is not a parameter that holds a number"
                guess = did_you_mean(other, [*searched, *_numbers(fixed)])
                place = range_.node.nearest((key,))[0]
                yield _problem(range_, f"{other!r} {why}{guess}", place)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(data: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of every number."""
    if isinstance(data, dict):
        for key, below in data.items():
            yield from _numbers(below, f"{path}.{key}" if path else str(key))
    elif _is_number(data):
        yield path


def _wrong_points(
    space: Space, parameters: Iterable[Parameter], settings: list[Setting]
) -> Iterator[Problem]:
    """What the schema says against the ends of the ranges and against the options.

    The ends represent what is between them: the schema's limits are intervals. One parameter
    varies at a time, so that a problem is reported once and not once per combination.
    """
    for parameter in parameters:
        if isinstance(parameter, Range):
            for end in (parameter.bound(0), parameter.bound(1)):
                yield from _wrong_point(space, [*settings, Setting(parameter.path, end)])
            continue
        for option in parameter.options:
            # The plugin may require what the option leaves to its ranges: they get a value first.
            inside = [*settings, Setting(parameter.path, option.node)]
            for below in option.parameters:
                least = below.bound(0) if isinstance(below, Range) else below.options[0].node
                inside.append(Setting(below.path, least))
            wrong = list(_wrong_point(space, inside))
            yield from wrong
            if not wrong:
                yield from _wrong_points(space, option.parameters, inside)


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


def _empty_ranges(space: Space) -> Iterator[Problem]:
    """Ranges in which no value is left where another parameter takes an extreme value."""
    for range_ in space.ranges():
        given = range_.distribution
        low, high = given.bounds
        left = "no value is left where {} is {:g}, {} {:g}"
        if given.at_most and (least := _extremes(space, given.at_most)[0]) < low:
            yield _problem(range_, left.format(given.at_most, least, "below", low))
        if given.at_least and (most := _extremes(space, given.at_least)[1]) > high:
            yield _problem(range_, left.format(given.at_least, most, "above", high))


def _extremes(space: Space, name: str) -> tuple[float, float]:
    """The least and the greatest value of what a bound refers to."""
    for range_ in space.ranges():
        if range_.name == name:
            return range_.distribution.bounds
    value = float(value_at(space.base.as_data(), name.split(".")))
    return value, value


def _base_outside(space: Space) -> Iterator[Problem]:
    """Why the base experiment does not lie within the space."""
    data = space.base.as_data()
    for parameter in space.parameters:
        value = value_at(data, parameter.path)
        if isinstance(parameter, Range):
            reason = parameter.why_not(value, *space.limits(parameter, []))
        else:
            reason = None if space.option_of_base(parameter) else "is none of the options"
        if reason:
            message = (
                f"the base experiment's own value {json.dumps(value)} {reason}, but it is the "
                "first trial; widen the space, or change the experiment"
            )
            yield _problem(parameter, message)


def _problem(parameter: Parameter, message: str, place: Node | None = None) -> Problem:
    mark = parameter.node.key_mark if place is None else place.mark
    return Problem(mark, ("search", "space", parameter.name), message)
