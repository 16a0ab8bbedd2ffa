"""The space of a search: which values are tried at which paths of the experiment."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import BaseTrial
from pydantic import ValidationError

from facesim.experiment.merging import placed
from facesim.experiment.nodes import Node, Scalar
from facesim.experiment.schema import Experiment, value_at
from facesim.experiment.search import Distribution
from facesim.experiment.yaml_scalars import escaped, resolve
from facesim.registry.signature import validate_strictly

Value = str | float | int | bool | None
"""What Optuna can store as a parameter's value."""


@dataclass(frozen=True)
class Setting:
    """A value at a path of the experiment.

    Attributes:
        path: keys from the root.
        value: the tree that is put there.
    """

    path: tuple[str, ...]
    value: Node


@dataclass(frozen=True)
class Range:
    """A parameter with a lowest and a highest value.

    Attributes:
        name: what Optuna calls it.
        path: where its value is put.
        node: its distribution in the file.
        distribution: the same, validated.
    """

    name: str
    path: tuple[str, ...]
    node: Node
    distribution: Distribution

    def bound(self, index: int) -> Node:
        """Where the lower (0) or the upper (1) end was written."""
        written = self.node.nearest((self.distribution.kind, index))[0]
        return replace(written, key_mark=self.node.key_mark)

    def why_not(self, value: Any, low: float, high: float) -> str | None:
        """Why a value is not one of the range, whose ends are now ``low`` and ``high``, if so."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "is not a number"
        given = self.distribution
        if not low <= value <= high:
            return f"lies outside of {low:g} to {high:g}"
        step = given.step or (1 if given.kind == "int" else None)
        if step and abs((value - low) / step - round((value - low) / step)) > 1e-9:
            return f"is not a whole number of steps of {step:g} from {low:g}"
        return None


@dataclass(frozen=True)
class Option:
    """One of the values of a choice.

    Attributes:
        label: what Optuna calls it.
        node: the value, without the ranges in it.
        parameters: those ranges and choices; they are asked only where this option is chosen.
    """

    label: Value
    node: Node
    parameters: "tuple[Parameter, ...]"


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of several values.

    Attributes:
        name: what Optuna calls it.
        path: where the value is put.
        node: its distribution in the file.
        options: the values.
    """

    name: str
    path: tuple[str, ...]
    node: Node
    options: tuple[Option, ...]


Parameter = Range | Choice


@dataclass(frozen=True)
class Space:
    """What a search varies, and the experiment that it varies.

    Attributes:
        base: the experiment as it is, without its search.
        root: the tree that it came from, without its search.
        parameters: in the order in which they are asked: one that another refers to comes first.
    """

    base: Experiment
    root: Node
    parameters: tuple[Parameter, ...]

    def suggest(self, trial: BaseTrial) -> Experiment:
        """The experiment of a trial, whose values the trial picks one after the other.

        Raises:
            ValidationError: these values do not go together.
        """
        settings: list[Setting] = []
        self._ask(self.parameters, trial, settings)
        return self.experiment_with(settings)

    def _ask(
        self, parameters: tuple[Parameter, ...], trial: BaseTrial, settings: list[Setting]
    ) -> None:
        for parameter in parameters:
            name = parameter.name
            if isinstance(parameter, Choice):
                labels = [option.label for option in parameter.options]
                chosen = parameter.options[labels.index(trial.suggest_categorical(name, labels))]
                settings.append(Setting(parameter.path, chosen.node))
                self._ask(chosen.parameters, trial, settings)
                continue
            low, high = self.limits(parameter, settings)
            given, step = parameter.distribution, parameter.distribution.step
            if given.kind == "float":
                value = trial.suggest_float(name, low, high, step=step, log=given.log)
            else:
                step = int(step or 1)
                value = trial.suggest_int(name, int(low), int(high), step=step, log=given.log)
            settings.append(Setting(parameter.path, number_node(value, parameter.node)))

    def limits(self, range_: Range, settings: list[Setting]) -> tuple[float, float]:
        """The ends of a range where the parameters before it have the values of ``settings``."""
        given = range_.distribution
        low, high = given.bounds
        if given.at_least or given.at_most:
            values = self.experiment_with(settings).as_data()
            if given.at_least:
                low = max(low, float(value_at(values, given.at_least.split("."))))
            if given.at_most:
                high = min(high, float(value_at(values, given.at_most.split("."))))
        step = given.step or (1 if given.kind == "int" and not given.log else None)
        if step is not None:
            # The grid begins at the range's own lower end, wherever the bounds have moved to.
            # Rounded, because 0.3 is two steps of 0.1 from 0.1 but for the last digit of a float.
            begin = given.bounds[0]
            low = begin + math.ceil(round((low - begin) / step, 9)) * step
            if low <= high:
                high = low + math.floor(round((high - low) / step, 9)) * step
        return low, high

    def experiment_with(self, settings: list[Setting]) -> Experiment:
        """The base experiment with some values replaced.

        Raises:
            ValidationError: the result is not a valid experiment.
            ExperimentError: a path leads nowhere.
        """
        return validate_strictly(Experiment, resolve(self.tree_with(settings), os.environ)[0])

    def tree_with(self, settings: list[Setting]) -> Node:
        """The base experiment's tree with some values replaced, merged as ``--set`` does it.

        Raises:
            ExperimentError: a path leads nowhere.
        """
        root = self.root
        for setting in settings:
            root = placed(root, list(setting.path), setting.value, setting.value.key_mark)
        return root

    def ranges(self) -> Iterator[Range]:
        """Every range, those within choices too."""
        return (each for each in walk(self.parameters) if isinstance(each, Range))

    def option_of_base(self, choice: Choice) -> Option | None:
        """The option that, with the base experiment's own values in it, is the base experiment."""
        return next((each for each in choice.options if self._is_base(choice, each)), None)

    def _is_base(self, choice: Choice, option: Option) -> bool:
        data = self.base.as_data()
        settings = [Setting(choice.path, option.node)]
        for parameter in option.parameters:
            value = value_at(data, parameter.path)
            if isinstance(parameter, Choice):
                inside = self.option_of_base(parameter)
                if inside is None:
                    return False
                settings.append(Setting(parameter.path, inside.node))
            elif parameter.why_not(value, *self.limits(parameter, [])):
                return False
            else:
                settings.append(Setting(parameter.path, number_node(value, parameter.node)))
        try:
            return self.experiment_with(settings).as_data() == data
        except ValidationError:
            return False


def base_point(space: Space) -> dict[str, Value]:
    """The parameters, by name, that make the base experiment: those of the first trial.

    The base experiment lies within the space; `read_space` has checked that.
    """
    data, point = space.base.as_data(), dict[str, Value]()
    pending = list(reversed(space.parameters))
    while pending:
        parameter = pending.pop()
        if isinstance(parameter, Range):
            point[parameter.name] = value_at(data, parameter.path)
        elif chosen := space.option_of_base(parameter):
            point[parameter.name] = chosen.label
            pending += reversed(chosen.parameters)
    return point


def walk(parameters: tuple[Parameter, ...]) -> Iterator[Parameter]:
    """Every parameter, each choice before those within its options."""
    for parameter in parameters:
        yield parameter
        if isinstance(parameter, Choice):
            for option in parameter.options:
                yield from walk(option.parameters)


def number_node(value: float, beside: Node) -> Node:
    """A number as if it had been written where ``beside`` was."""
    return Node(Scalar(escaped(repr(value)), plain=True), beside.mark, beside.key_mark)
