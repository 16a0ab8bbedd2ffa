"""The plots of a study's page: history, slices, Pareto front, parallel coordinates.

Optuna's own plots of the same names were weighed and not taken. They leave out pruned trials, do
not mark the base experiment, draw the best so far as a slope between two trials, put the slices of
all parameters into one row, and colour by scales of their own, of which one end vanishes on a light
page and the other on a dark one. Before Optuna 5 parallel coordinates also drop each trial without
one of the parameters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from facesim.page import Axis, Panel, Plot, Series, Style, Table
from facesim.tuning.objectives import Objective
from facesim.tuning.space import Choice, Parameter, Space
from facesim.tuning.storage import IS_BASE

KINDS: dict[str, Style] = {"completed": 0, "pruned": "muted", "base experiment": 1}
"""How each kind of trial is drawn."""

_COLOURED = 3
_BEST_IN_TABLE = 10


def kind_of(trial: FrozenTrial) -> str:
    """Which of `KINDS` a trial with a value is."""
    if trial.user_attrs.get(IS_BASE):
        return "base experiment"
    return "completed" if trial.state == TrialState.COMPLETE else "pruned"


def shown(value: Any) -> str:
    """A parameter's value in a few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class StudyPlots:
    """Draws the trials of a study.

    Attributes:
        space: what the study varies.
        objectives: what the trials' values are.
        trials: all of them, in any state.
    """

    space: Space
    objectives: tuple[Objective, ...]
    trials: Sequence[FrozenTrial]

    def history(self, index: int) -> Plot:
        """The values of one objective in the order of the trials, and the best so far."""
        objective = self.objectives[index]
        trials = self._with_values(TrialState.COMPLETE, TrialState.PRUNED)
        values = [trial.values[index] for trial in trials]
        best: list[float | None] = []
        for trial, value in zip(trials, values, strict=True):
            before = best[-1] if best else None
            complete = trial.state == TrialState.COMPLETE
            best.append(
                value if complete and objective.metric.better(value, than=before) else before
            )
        numbers = tuple(trial.number for trial in trials)
        line = Series("best so far", numbers, tuple(best), 0, ("steps",), silent=True)
        drawn = (line, *self._marks(trials, numbers, values))
        panel = Panel(Axis("Trial", "whole"), Axis(objective.name), drawn)
        return Plot(
            f"history-{objective.metric.name.replace('_', '-')}",
            f"History of {objective.name}",
            f"{objective.name} of each trial ({objective.metric.direction}d) and the best so far. "
            "A pruned trial is drawn at the value of its last epoch.",
            (panel,),
            Table(
                "Trials in order",
                ("Trial", "Kind", objective.name, "Best so far"),
                tuple(
                    (
                        str(trial.number),
                        kind_of(trial),
                        f"{value:.4f}",
                        "-" if top is None else f"{top:.4f}",
                    )
                    for trial, value, top in zip(trials, values, best, strict=True)
                ),
            ),
        )

    def slices(self, index: int) -> list[Plot]:
        """One objective over each parameter that a trial has, one plot per parameter."""
        trials = self._with_values(TrialState.COMPLETE, TrialState.PRUNED)
        names = dict.fromkeys(name for trial in trials for name in trial.params)
        axes = {
            range_.name: Axis(
                range_.name,
                "whole" if range_.distribution.kind == "int" else "number",
                log=range_.distribution.log,
            )
            for range_ in self.space.ranges()
        }
        plots = []
        for number, name in enumerate(names):
            having = [trial for trial in trials if name in trial.params]
            slice_ = self._slice(name, axes.get(name), having, index)
            letters = chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
            plots.append(Plot(f"slice-{letters}", name, *slice_))
        return plots

    def _slice(
        self, name: str, axis: Axis | None, trials: Sequence[FrozenTrial], index: int
    ) -> tuple[str, tuple[Panel, ...], Table]:
        """Without an axis, of a choice: a row per option."""
        objective = self.objectives[index]
        values = [trial.params[name] for trial in trials]
        measured = [trial.values[index] for trial in trials]
        if axis is None:
            options = tuple(dict.fromkeys(str(value) for value in values))
            rows = [float(options.index(str(value))) for value in values]
            drawn = self._marks(trials, measured, rows)
            height = 40 * max(len(options), 2)
            panel = Panel(Axis(objective.name), Axis("", names=options), drawn, height)
        else:
            panel = Panel(axis, Axis(objective.name), self._marks(trials, values, measured), 230)
        table = Table(
            f"{objective.name} over {name}",
            ("Trial", name, objective.name),
            tuple(
                (str(trial.number), shown(value), f"{trial.values[index]:.4f}")
                for trial, value in zip(trials, values, strict=True)
            ),
        )
        return f"{objective.name} of each trial over its {name}.", (panel,), table

    def pareto_front(self, first: int, second: int, front: Sequence[FrozenTrial]) -> Plot:
        """Two objectives against each other, with the front as a line.

        Args:
            first: index of the objective on the horizontal axis.
            second: of that on the vertical axis.
            front: the trials that no other one beats in every objective.
        """
        x, y = self.objectives[first], self.objectives[second]
        front = sorted(front, key=lambda trial: trial.values[first])
        line = Series(
            "front",
            tuple(trial.values[first] for trial in front),
            tuple(trial.values[second] for trial in front),
            2,
            ("line",),
            silent=True,
        )
        trials = self._with_values(TrialState.COMPLETE)
        places = [[trial.values[index] for trial in trials] for index in (first, second)]
        panel = Panel(Axis(x.name), Axis(y.name), (line, *self._marks(trials, *places)))
        return Plot(
            f"pareto-{chr(ord('a') + first)}{chr(ord('a') + second)}",
            f"{x.name} and {y.name}",
            f"{x.name} ({x.metric.direction}d) against {y.name} ({y.metric.direction}d). No trial "
            "is better than one of the front in every objective.",
            (panel,),
            Table(
                "The front",
                ("Trial", *(objective.name for objective in self.objectives)),
                tuple(
                    (str(trial.number), *(f"{value:.4f}" for value in trial.values))
                    for trial in front
                ),
            ),
        )

    def parallel_coordinates(self, index: int) -> Plot:
        """The completed trials over the parameters that every trial has; the best are coloured."""
        objective = self.objectives[index]
        trials = self._with_values(TrialState.COMPLETE)
        trials.sort(key=lambda t: t.values[index], reverse=objective.metric.higher_is_better)
        values = [trial.values[index] for trial in trials]
        names = [parameter.name for parameter in self.space.parameters]
        rows = (*names, objective.name)
        drawn = [
            Series(
                f"trial {trial.number}" if rank < _COLOURED else "",
                (
                    *(_height(each, trial.params[each.name]) for each in self.space.parameters),
                    _share(values[rank], min(values), max(values)),
                ),
                tuple(range(len(rows))),
                rank if rank < _COLOURED else "faint",
                ("line", "points") if rank < _COLOURED else ("line",),
                tips=(self._tip(trial),) * len(rows),
            )
            for rank, trial in enumerate(trials)
        ]
        lowest, highest = Axis("lowest to highest", "hidden", -0.03, 1.03), Axis("", names=rows)
        on_top = (*drawn[_COLOURED:], *drawn[:_COLOURED])
        panel = Panel(lowest, highest, on_top, 44 * len(rows))
        best = [
            (str(each.number), *(shown(each.params[name]) for name in names), f"{value:.4f}")
            for each, value in zip(trials, values, strict=True)
        ]
        return Plot(
            f"parallel-{objective.metric.name.replace('_', '-')}",
            "Parallel coordinates",
            "Each completed trial as a line from parameter to parameter, lowest value at the "
            f"left; the {_COLOURED} best by {objective.name} are coloured.",
            (panel,),
            Table(
                "The best trials",
                ("Trial", *names, objective.name),
                tuple(best[:_BEST_IN_TABLE]),
                numeric=False,
            ),
        )

    def _with_values(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states that have values; of pruned ones that of the last epoch."""
        return [trial for trial in self.trials if trial.state in states and trial.values]

    def _marks(
        self, trials: Sequence[FrozenTrial], x: Sequence[float], y: Sequence[float]
    ) -> tuple[Series, ...]:
        """Each trial as a mark; kinds differ in colour and marker."""
        found = []
        for kind, style in KINDS.items():
            chosen = [index for index, trial in enumerate(trials) if kind_of(trial) == kind]
            if not chosen:
                continue
            places = [tuple(float(all_[index]) for index in chosen) for all_ in (x, y)]
            tips = tuple(self._tip(trials[index]) for index in chosen)
            found.append(Series(kind, places[0], places[1], style, ("points",), tips=tips))
        return tuple(found)

    def _tip(self, trial: FrozenTrial) -> str:
        values = zip(self.objectives, trial.values, strict=True)
        lines = [f"trial {trial.number}, {kind_of(trial)}"]
        lines += [f"{objective.name}: {value:.4f}" for objective, value in values]
        lines += [f"{name}: {shown(value)}" for name, value in trial.params.items()]
        return " · ".join(lines)


def _height(parameter: Parameter, value: Any) -> float:
    """Where a value lies in the parameter's whole range, 0 to 1."""
    if isinstance(parameter, Choice):
        labels = [option.label for option in parameter.options]
        return _share(labels.index(value), 0, len(labels) - 1)
    low, high = parameter.distribution.bounds
    if parameter.distribution.log:
        return _share(math.log(value), math.log(low), math.log(high))
    return _share(value, low, high)


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if high == low else (value - low) / (high - low)
