"""An objective over each parameter by itself."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from facesim.page import Plot, Table
from facesim.report.plots.layout import new_plot, style_axes
from facesim.tuning.objectives import Objective
from facesim.tuning.plots.trial_marks import add_marks, shown, valued
from facesim.tuning.space import Space


def slice_figures(
    space: Space, trials: Sequence[FrozenTrial], objectives: Sequence[Objective], index: int
) -> list[Plot]:
    """One figure for each parameter that a trial with a value has."""
    logarithmic = {range_.name for range_ in space.ranges() if range_.distribution.log}
    numeric = {range_.name for range_ in space.ranges()}
    drawn = valued(trials)
    names = list(dict.fromkeys(name for trial in drawn for name in trial.params))
    figures = []
    for number, name in enumerate(names):
        having = [trial for trial in drawn if name in trial.params]
        kind = "log" if name in logarithmic else "linear" if name in numeric else "category"
        figures.append(_slice(number, name, kind, having, objectives, index))
    return figures


def _slice(
    number: int,
    name: str,
    kind: str,
    trials: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    index: int,
) -> Plot:
    plot, objective = new_plot(height=300), objectives[index]
    values = [trial.values[index] for trial in trials]
    add_marks(plot, trials, [_on_axis(trial, name, kind) for trial in trials], values, objectives)
    style_axes(plot, name, objective.name)
    plot.update_xaxes(type=kind, exponentformat="power")
    return Plot(
        f"slice-{chr(ord('a') + number // 26)}{chr(ord('a') + number % 26)}",
        name,
        f"{objective.name} of each trial over its {name}.",
        plot,
        Table(
            f"{objective.name} over {name}",
            ("Trial", name, objective.name),
            tuple(
                (str(trial.number), shown(trial.params[name]), f"{value:.4f}")
                for trial, value in zip(trials, values, strict=True)
            ),
        ),
    )


def _on_axis(trial: FrozenTrial, name: str, kind: str) -> Any:
    value = trial.params[name]
    return str(value) if kind == "category" else value
