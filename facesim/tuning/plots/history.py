"""The values of the trials, in the order in which they were begun."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from facesim.page import Plot, Table
from facesim.report.plots.layout import SERIES, new_plot, style_axes
from facesim.tuning.objectives import Objective
from facesim.tuning.plots.trial_marks import add_marks, kind_of, valued


def history_figure(
    trials: Sequence[FrozenTrial], objectives: Sequence[Objective], index: int
) -> Plot:
    """One objective over the trials, and the best completed one so far."""
    objective, drawn = objectives[index], valued(trials)
    plot = new_plot()
    values = [trial.values[index] for trial in drawn]
    numbers = [trial.number for trial in drawn]
    best = _best_so_far(drawn, objective, index)
    known = [
        (number, value) for number, value in zip(numbers, best, strict=True) if value is not None
    ]
    plot.add_scatter(
        x=[number for number, _ in known],
        y=[value for _, value in known],
        mode="lines",
        line={"shape": "hv", "color": SERIES[0], "width": 2},
        name="best so far",
        hoverinfo="skip",
    )
    add_marks(plot, drawn, numbers, values, objectives)
    style_axes(plot, "Trial", objective.name)
    rows = zip(numbers, map(kind_of, drawn), values, best, strict=True)
    return Plot(
        f"history-{objective.metric.name.replace('_', '-')}",
        f"History of {objective.name}",
        f"Each trial's {objective.name} ({objective.metric.direction}d) and the best so far. A "
        "pruned trial stands at the value of its last epoch.",
        plot,
        Table(
            "Trials in order",
            ("Trial", "Kind", objective.name, "Best so far"),
            tuple(
                (str(number), kind, f"{value:.4f}", "-" if top is None else f"{top:.4f}")
                for number, kind, value, top in rows
            ),
        ),
    )


def _best_so_far(
    trials: Sequence[FrozenTrial], objective: Objective, index: int
) -> list[float | None]:
    best: list[float | None] = []
    for trial in trials:
        value = best[-1] if best else None
        complete = trial.state == TrialState.COMPLETE
        if complete and objective.metric.better(trial.values[index], than=value):
            value = trial.values[index]
        best.append(value)
    return best
