"""Where the base experiment lies in the space: it is the first trial."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from facesim.experiment.nodes import Problem
from facesim.tuning.space import (
    Choice,
    Option,
    Parameter,
    Range,
    Setting,
    Space,
    Value,
    number_node,
)


def base_point(space: Space) -> dict[str, Value]:
    """The parameters, by name, that make the base experiment.

    The base experiment lies within the space; `read_space` has seen to that.
    """
    return dict(_point(space, space.parameters, space.base.as_data()))


def problems_of_base(space: Space) -> Iterator[Problem]:
    """Why the base experiment does not lie within the space."""
    data = space.base.as_data()
    for parameter in space.parameters:
        if isinstance(parameter, Range):
            reason = _why_outside(space, parameter, _value_at(data, parameter.path))
        else:
            chosen = _option_of_base(space, parameter, data)
            reason = None if chosen else "is none of the options"
        if reason:
            written = json.dumps(_value_at(data, parameter.path))
            message = (
                f"the base experiment's own value {written} {reason}, but it is the first trial; "
                "widen the space, or change the experiment"
            )
            mark = parameter.node.key_mark
            yield Problem(mark, ("search", "space", parameter.name), message)


def _point(
    space: Space, parameters: tuple[Parameter, ...], data: Mapping[str, Any]
) -> Iterator[tuple[str, Value]]:
    for parameter in parameters:
        if isinstance(parameter, Range):
            yield parameter.name, _value_at(data, parameter.path)
        elif chosen := _option_of_base(space, parameter, data):
            yield parameter.name, chosen.label
            yield from _point(space, chosen.parameters, data)


def _why_outside(space: Space, range_: Range, value: Any) -> str | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "is no number"
    given = range_.distribution
    low, high = space.limits(range_, [])
    if not low <= value <= high:
        return f"lies outside of {low:g} to {high:g}"
    step = given.step or (1 if given.kind == "int" else None)
    if step and abs((value - low) / step - round((value - low) / step)) > 1e-9:
        return f"is not a whole number of steps of {step:g} from {low:g}"
    return None


def _option_of_base(space: Space, choice: Choice, data: Mapping[str, Any]) -> Option | None:
    """The option that, with the base experiment's own values inside, is the base experiment."""
    return next(
        (option for option in choice.options if _is_base(space, choice, option, data)), None
    )


def _is_base(space: Space, choice: Choice, option: Option, data: Mapping[str, Any]) -> bool:
    settings = [Setting(choice.path, option.node)]
    for parameter in option.parameters:
        value = _value_at(data, parameter.path)
        if isinstance(parameter, Choice):
            inside = _option_of_base(space, parameter, data)
            if inside is None:
                return False
            settings.append(Setting(parameter.path, inside.node))
        elif _why_outside(space, parameter, value):
            return False
        else:
            settings.append(Setting(parameter.path, number_node(value, parameter.node)))
    try:
        return space.experiment_with(settings).as_data() == data
    except ValidationError:
        return False


def _value_at(data: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if isinstance(data, Mapping):
            data = data.get(key)
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            return None
    return data
