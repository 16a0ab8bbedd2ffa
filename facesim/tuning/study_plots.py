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

from facesim.page import Plot, Table
from facesim.report.plots.layout import GRID, MUTED, SERIES, literal, new_plot, style_axes
from facesim.tuning.objectives import Objective
from facesim.tuning.space import Choice, Parameter, Space
from facesim.tuning.storage import IS_BASE

KINDS = {
    "completed": (SERIES[0], "circle"),
    "pruned": (MUTED, "x-thin-open"),
    "base experiment": (SERIES[1], "diamond"),
}
"""Colour and symbol of each kind of trial."""

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
        objective, plot = self.objectives[index], new_plot()
        trials = self._with_values(TrialState.COMPLETE, TrialState.PRUNED)
        values = [trial.values[index] for trial in trials]
        best: list[float | None] = []
        for trial, value in zip(trials, values, strict=True):
            before = best[-1] if best else None
            complete = trial.state == TrialState.COMPLETE
            best.append(
                value if complete and objective.metric.better(value, than=before) else before
            )
        plot.add_scatter(
            x=[trial.number for trial in trials],
            y=best,
            mode="lines",
            line={"shape": "hv", "color": SERIES[0], "width": 2},
            name="best so far",
            hoverinfo="skip",
        )
        self._add_marks(plot, trials, [trial.number for trial in trials], values)
        style_axes(plot, "Trial", objective.name)
        return Plot(
            f"history-{objective.metric.name.replace('_', '-')}",
            f"History of {objective.name}",
            f"{objective.name} of each trial ({objective.metric.direction}d) and the best so far. "
            "A pruned trial is drawn at the value of its last epoch.",
            plot,
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
            range_.name: "log" if range_.distribution.log else "linear"
            for range_ in self.space.ranges()
        }
        plots = []
        for number, name in enumerate(names):
            having = [trial for trial in trials if name in trial.params]
            slice_ = self._slice(name, axes.get(name, "category"), having, index)
            letters = chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
            plots.append(Plot(f"slice-{letters}", name, *slice_))
        return plots

    def _slice(
        self, name: str, axis: str, trials: Sequence[FrozenTrial], index: int
    ) -> tuple[str, Any, Table]:
        plot, objective = new_plot(height=300), self.objectives[index]
        values = [trial.params[name] for trial in trials]
        # As text, or Plotly takes the choices 16 and 32 for numbers.
        places = [str(value) for value in values] if axis == "category" else values
        self._add_marks(plot, trials, places, [trial.values[index] for trial in trials])
        style_axes(plot, name, objective.name)
        plot.update_xaxes(type=axis, exponentformat="power")
        table = Table(
            f"{objective.name} over {name}",
            ("Trial", name, objective.name),
            tuple(
                (str(trial.number), shown(value), f"{trial.values[index]:.4f}")
                for trial, value in zip(trials, values, strict=True)
            ),
        )
        return f"{objective.name} of each trial over its {name}.", plot, table

    def pareto_front(self, first: int, second: int, front: Sequence[FrozenTrial]) -> Plot:
        """Two objectives against each other, with the front as a line.

        Args:
            first: index of the objective on the horizontal axis.
            second: of that on the vertical axis.
            front: the trials that no other one beats in every objective.
        """
        x, y = self.objectives[first], self.objectives[second]
        front = sorted(front, key=lambda trial: trial.values[first])
        plot = new_plot()
        plot.add_scatter(
            x=[trial.values[first] for trial in front],
            y=[trial.values[second] for trial in front],
            mode="lines+markers",
            marker={"size": 14, "symbol": "circle-open", "color": SERIES[2]},
            line={"color": SERIES[2], "width": 1, "dash": "dot"},
            name="front",
            hoverinfo="skip",
        )
        trials = self._with_values(TrialState.COMPLETE)
        places = [[trial.values[index] for trial in trials] for index in (first, second)]
        self._add_marks(plot, trials, *places)
        style_axes(plot, x.name, y.name)
        return Plot(
            f"pareto-{chr(ord('a') + first)}{chr(ord('a') + second)}",
            f"{x.name} and {y.name}",
            f"{x.name} ({x.metric.direction}d) against {y.name} ({y.metric.direction}d). No trial "
            "is better than one of the front in every objective.",
            plot,
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
        objective, plot = self.objectives[index], new_plot(height=380)
        trials = self._with_values(TrialState.COMPLETE)
        trials.sort(key=lambda t: t.values[index], reverse=objective.metric.higher_is_better)
        values = [trial.values[index] for trial in trials]
        names = [parameter.name for parameter in self.space.parameters]
        for rank, trial in reversed(list(enumerate(trials))):  # the best are drawn on top
            is_best = rank < _COLOURED
            plot.add_scatter(
                x=[*map(literal, names), literal(objective.name)],
                y=[
                    *(_height(each, trial.params[each.name]) for each in self.space.parameters),
                    _share(values[rank], min(values), max(values)),
                ],
                mode="lines+markers",
                line={"color": SERIES[rank] if is_best else GRID, "width": 3 if is_best else 1},
                name=f"trial {trial.number}",
                showlegend=is_best,
                hovertext=self._hover_text(trial),
                hoverinfo="text",
            )
        plot.update_yaxes(showticklabels=False, range=[-0.05, 1.05], zeroline=False, gridcolor=GRID)
        plot.update_xaxes(type="category", gridcolor=MUTED, automargin=True)
        best = [
            (str(each.number), *(shown(each.params[name]) for name in names), f"{value:.4f}")
            for each, value in zip(trials, values, strict=True)
        ]
        return Plot(
            f"parallel-{objective.metric.name.replace('_', '-')}",
            "Parallel coordinates",
            "Each completed trial as a line from parameter to parameter, lowest value at the "
            f"bottom; the {_COLOURED} best by {objective.name} are coloured.",
            plot,
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

    def _add_marks(
        self, plot: Any, trials: Sequence[FrozenTrial], x: Sequence[Any], y: Sequence[float]
    ) -> None:
        """Draw each trial as a mark; kinds differ in colour and symbol."""
        for kind, (colour, symbol) in KINDS.items():
            chosen = [index for index, trial in enumerate(trials) if kind_of(trial) == kind]
            if not chosen:
                continue
            plot.add_scatter(
                x=[x[index] for index in chosen],
                y=[y[index] for index in chosen],
                mode="markers",
                name=kind,
                legendgroup=kind,
                marker={"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5}},
                hovertext=[self._hover_text(trials[index]) for index in chosen],
                hoverinfo="text",
            )

    def _hover_text(self, trial: FrozenTrial) -> str:
        values = zip(self.objectives, trial.values, strict=True)
        lines = [f"trial {trial.number}, {kind_of(trial)}"]
        lines += [f"{objective.name}: {value:.4f}" for objective, value in values]
        lines += [f"{name}: {shown(value)}" for name, value in trial.params.items()]
        return "<br>".join(literal(line) for line in lines)


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
