"""Every trial as a line through all its parameters to its value."""

import math
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from facesim.page import Plot, Table
from facesim.report.plots.layout import GRID, MUTED, SERIES, literal, new_plot
from facesim.tuning.objectives import Objective
from facesim.tuning.plots.trial_marks import hover_text, shown, valued
from facesim.tuning.space import Choice, Parameter, Range, Space

_BEST = 3


def parallel_coordinates_figure(
    space: Space, trials: Sequence[FrozenTrial], objectives: Sequence[Objective], index: int
) -> Plot:
    """The completed trials over the parameters that every trial has; the best stand out."""
    objective = objectives[index]
    drawn = valued(trials, pruned=False)
    drawn.sort(key=lambda t: t.values[index], reverse=objective.metric.higher_is_better)
    values = [trial.values[index] for trial in drawn]
    names = [parameter.name for parameter in space.parameters]
    plot = new_plot(height=380)
    for rank, trial in reversed(list(enumerate(drawn))):
        heights = [_height(parameter, trial) for parameter in space.parameters]
        heights.append(_share(trial.values[index], min(values), max(values)))
        plot.add_scatter(
            x=[*map(literal, names), literal(objective.name)],
            y=heights,
            mode="lines+markers",
            line={
                "color": SERIES[rank] if rank < _BEST else GRID,
                "width": 3 if rank < _BEST else 1,
            },
            name=f"trial {trial.number}",
            showlegend=rank < _BEST,
            hovertext=hover_text(trial, objectives),
            hoverinfo="text",
        )
    plot.update_yaxes(showticklabels=False, range=[-0.05, 1.05], zeroline=False, gridcolor=GRID)
    plot.update_xaxes(type="category", gridcolor=MUTED, automargin=True)
    return Plot(
        f"parallel-{objective.metric.name.replace('_', '-')}",
        "Parallel coordinates",
        "Each completed trial as a line from parameter to parameter, lowest value at the bottom; "
        f"the {_BEST} best by {objective.name} are coloured.",
        plot,
        Table(
            "The best trials",
            ("Trial", *names, objective.name),
            tuple(
                (
                    str(trial.number),
                    *(shown(trial.params[name]) for name in names),
                    f"{trial.values[index]:.4f}",
                )
                for trial in drawn[:10]
            ),
            numeric=False,
        ),
    )


def _height(parameter: Parameter, trial: FrozenTrial) -> float:
    """Where a trial's value lies in the parameter's whole range, 0 to 1."""
    value: Any = trial.params[parameter.name]
    if isinstance(parameter, Choice):
        labels = [option.label for option in parameter.options]
        return _share(labels.index(value), 0, len(labels) - 1)
    return _in_range(parameter, float(value))


def _in_range(range_: Range, value: float) -> float:
    low, high = range_.distribution.bounds
    if range_.distribution.log:
        return _share(math.log(value), math.log(low), math.log(high))
    return _share(value, low, high)


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if high == low else (value - low) / (high - low)
