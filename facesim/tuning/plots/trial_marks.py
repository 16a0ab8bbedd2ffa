"""Trials as points: what all plots of a study draw alike."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from facesim.report.plots.layout import MUTED, SERIES, literal
from facesim.tuning.objectives import Objective
from facesim.tuning.trial_attributes import IS_BASE

KINDS = {
    "completed": (SERIES[0], "circle"),
    "pruned": (MUTED, "x-thin-open"),
    "base experiment": (SERIES[1], "diamond"),
}
"""Colour and symbol of each kind of trial."""


def kind_of(trial: FrozenTrial) -> str:
    """Which of `KINDS` a trial with a value is."""
    if trial.user_attrs.get(IS_BASE):
        return "base experiment"
    return "completed" if trial.state == TrialState.COMPLETE else "pruned"


def valued(trials: Sequence[FrozenTrial], *, pruned: bool = True) -> list[FrozenTrial]:
    """The trials that have values: completed ones, and pruned ones at their last epoch."""
    states = (TrialState.COMPLETE, TrialState.PRUNED) if pruned else (TrialState.COMPLETE,)
    return [trial for trial in trials if trial.state in states and trial.values]


def hover_text(trial: FrozenTrial, objectives: Sequence[Objective]) -> str:
    """Number, values and parameters of a trial."""
    values = zip(objectives, trial.values, strict=True)
    lines = [f"trial {trial.number}, {kind_of(trial)}"]
    lines += [f"{objective.name}: {value:.4f}" for objective, value in values]
    lines += [f"{name}: {shown(value)}" for name, value in trial.params.items()]
    return "<br>".join(literal(line) for line in lines)


def add_marks(
    plot: Any,
    trials: Sequence[FrozenTrial],
    x: Sequence[Any],
    y: Sequence[float],
    objectives: Sequence[Objective],
    **place: Any,
) -> None:
    """Draw a mark for each trial; kinds differ in colour and symbol.

    Args:
        plot: the Plotly figure.
        trials: N of them.
        x: of each.
        y: of each.
        objectives: for what hovering shows.
        place: row and column in a figure of several plots, and ``showlegend``.
    """
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
            hovertext=[hover_text(trials[index], objectives) for index in chosen],
            hoverinfo="text",
            **place,
        )


def shown(value: Any) -> str:
    """A parameter's value in a few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
