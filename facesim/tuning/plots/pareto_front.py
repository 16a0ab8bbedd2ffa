"""The trials that no other one beats in every objective."""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from facesim.page import Plot, Table
from facesim.report.plots.layout import SERIES, new_plot, style_axes
from facesim.tuning.objectives import Objective
from facesim.tuning.plots.trial_marks import add_marks, valued


def pareto_figure(
    study: optuna.Study, objectives: Sequence[Objective], first: int, second: int
) -> Plot:
    """Two objectives against each other, the front drawn as a line."""
    trials = valued(study.get_trials(deepcopy=False), pruned=False)
    front = sorted(study.best_trials, key=lambda trial: trial.values[first])
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
    add_marks(
        plot,
        trials,
        [trial.values[first] for trial in trials],
        [trial.values[second] for trial in trials],
        objectives,
    )
    style_axes(plot, objectives[first].name, objectives[second].name)
    return Plot(
        f"pareto-{chr(ord('a') + first)}{chr(ord('a') + second)}",
        f"{objectives[first].name} and {objectives[second].name}",
        f"{objectives[first].name} ({objectives[first].metric.direction}d) against "
        f"{objectives[second].name} ({objectives[second].metric.direction}d). No trial is better "
        "than one of the front in every objective.",
        plot,
        Table(
            "The front",
            ("Trial", *(objective.name for objective in objectives)),
            tuple(_row(trial) for trial in front),
        ),
    )


def _row(trial: FrozenTrial) -> tuple[str, ...]:
    return (str(trial.number), *(f"{value:.4f}" for value in trial.values))
