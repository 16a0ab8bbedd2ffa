"""The space of a search: which values stand at which paths of the experiment."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from facesim.experiment.loading import validate
from facesim.experiment.merging import placed
from facesim.experiment.nodes import Node, Scalar
from facesim.experiment.schema import Experiment
from facesim.experiment.search import Distribution
from facesim.experiment.yaml_scalars import escaped, resolve

Value = str | float | int | bool | None
"""What Optuna keeps of a parameter."""


class Suggests(Protocol):
    """Whoever picks the values: a trial of Optuna's."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number within the range."""
        ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number within the range."""
        ...

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of the choices."""
        ...


@dataclass(frozen=True)
class Setting:
    """A value at a path of the experiment.

    Attributes:
        path: keys from the root.
        value: the tree that is to stand there.
    """

    path: tuple[str, ...]
    value: Node


@dataclass(frozen=True)
class Range:
    """A parameter with a lowest and a highest value.

    Attributes:
        name: what Optuna calls it.
        path: where its value is put.
        node: what the file says of it.
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


@dataclass(frozen=True)
class Option:
    """One of the values of a choice.

    Attributes:
        label: what Optuna calls it.
        node: the value, without the ranges inside of it.
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
        node: what the file says of it.
        options: the values.
    """

    name: str
    path: tuple[str, ...]
    node: Node
    options: tuple[Option, ...]

    def labelled(self, label: Value) -> Option:
        """The option of a label."""
        return next(option for option in self.options if option.label == label)


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

    def suggest(self, trial: Suggests) -> Experiment:
        """The experiment of a trial, whose values the trial picks one after the other.

        Raises:
            ValidationError: these values do not go together.
        """
        settings: list[Setting] = []
        self._ask(self.parameters, trial, settings)
        return self.experiment_with(settings)

    def experiment_with(self, settings: list[Setting]) -> Experiment:
        """The base experiment with some values replaced.

        Raises:
            ValidationError: the result is no experiment.
            ExperimentError: a path leads nowhere.
        """
        return validate(resolve(self.tree_with(settings), os.environ)[0])

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
        """Every range, those inside of choices too."""
        return _ranges(self.parameters)

    def _ask(
        self, parameters: tuple[Parameter, ...], trial: Suggests, settings: list[Setting]
    ) -> None:
        for parameter in parameters:
            if isinstance(parameter, Range):
                value = self._ask_range(parameter, trial, settings)
                settings.append(Setting(parameter.path, number_node(value, parameter.node)))
                continue
            labels = [option.label for option in parameter.options]
            chosen = parameter.labelled(trial.suggest_categorical(parameter.name, labels))
            settings.append(Setting(parameter.path, chosen.node))
            self._ask(chosen.parameters, trial, settings)

    def _ask_range(self, range_: Range, trial: Suggests, settings: list[Setting]) -> float:
        low, high = self.limits(range_, settings)
        given = range_.distribution
        if given.kind == "float":
            return trial.suggest_float(range_.name, low, high, step=given.step, log=given.log)
        step = int(given.step or 1)
        return trial.suggest_int(range_.name, int(low), int(high), step=step, log=given.log)

    def limits(self, range_: Range, settings: list[Setting]) -> tuple[float, float]:
        """The ends of a range where other parameters have the values of ``settings``."""
        given = range_.distribution
        low, high = given.bounds
        if given.at_least or given.at_most:
            values = self.experiment_with(settings).as_data()
            if given.at_least:
                low = _stepped_up(max(low, number_at(values, given.at_least)), given)
            if given.at_most:
                high = min(high, number_at(values, given.at_most))
        return low, _stepped_down(low, high, given)


def number_node(value: float, beside: Node) -> Node:
    """A number as if it stood where ``beside`` does."""
    return Node(Scalar(escaped(repr(value)), plain=True), beside.mark, beside.key_mark)


def number_at(data: Mapping[str, Any], dotted: str) -> float:
    """The number at a dotted path.

    Raises:
        KeyError: there is nothing; TypeError or ValueError: it is no number.
    """
    value: Any = data
    for key in dotted.split("."):
        value = value[key]
    return float(value)


def is_number(data: Mapping[str, Any], dotted: str) -> bool:
    """Whether a number stands at a dotted path."""
    value: Any = data
    for key in dotted.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stepped_up(low: float, given: Distribution) -> float:
    """The first value of the grid at or above ``low``: the grid begins at the range's own end."""
    step, begin = _step(given), given.bounds[0]
    return low if step is None else begin + math.ceil(_steps(begin, low, step)) * step


def _stepped_down(low: float, high: float, given: Distribution) -> float:
    """The last value at or below ``high`` of the grid that begins at ``low``."""
    step = _step(given)
    if step is None or high < low:
        return high
    return low + math.floor(_steps(low, high, step)) * step


def _step(given: Distribution) -> float | None:
    if given.kind == "int" and not given.log:
        return given.step or 1
    return given.step


def _steps(low: float, high: float, step: float) -> float:
    """How many steps lie between, a whole number where only rounding keeps it from being one."""
    return round((high - low) / step, 9)


def _ranges(parameters: tuple[Parameter, ...]) -> Iterator[Range]:
    for parameter in parameters:
        if isinstance(parameter, Range):
            yield parameter
        else:
            for option in parameter.options:
                yield from _ranges(option.parameters)
