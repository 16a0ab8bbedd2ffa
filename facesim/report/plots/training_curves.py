"""What happened during training: the loss by step, the metrics on val by epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from facesim.page import Plot, Table
from facesim.report.formatting import is_percentage, metric_label, metric_value, number, quantity
from facesim.report.plots.layout import (
    DASHES,
    SERIES,
    SYMBOLS,
    epoch_ticks,
    new_plot,
    style_axes,
)
from facesim.runs.log import TrainingLog

_POINTS = 1000
_SHOWN = ("accuracy", "eer", "tar_at_far_1e-2")


def loss_figure(log: TrainingLog) -> Plot:
    """The loss of logged batches and the mean loss on val, over the steps."""
    plot = new_plot()
    steps, losses = _series(log.train, "loss")
    kept_steps, kept_losses = _averaged(steps), _averaged(losses)
    plot.add_scatter(
        x=kept_steps,
        y=kept_losses,
        name="training batches",
        mode="lines",
        line={"color": SERIES[0], "width": 1.5},
        hovertemplate="step %{x}<br>loss %{y:.4g}<extra>training</extra>",
    )
    val_steps, val_losses = _series(log.val, "loss")
    plot.add_scatter(
        x=val_steps,
        y=val_losses,
        name="val",
        mode="lines+markers",
        line={"color": SERIES[1], "width": 2, "dash": "dash"},
        marker={"symbol": "square", "size": 7},
        hovertemplate="step %{x}<br>loss %{y:.4g}<extra>val</extra>",
    )
    style_axes(plot, "Step", "Loss")
    return Plot("loss", "Loss", _loss_description(losses, val_losses), plot, _by_epoch(log, "loss"))


def validation_figure(log: TrainingLog, best: str) -> Plot:
    """Rates on val over the epochs; the epoch of the best checkpoint is marked.

    Args:
        log: with one epoch or more.
        best: the metric that the best checkpoint is kept by.
    """
    names = [name for name in dict.fromkeys((best, *_SHOWN)) if is_percentage(name)]
    plot = new_plot()
    for index, name in enumerate(names):
        epochs, values = _series(log.val, name, over="epoch")
        if len(values):
            plot.add_scatter(
                x=epochs,
                y=values,
                name=metric_label(name),
                mode="lines+markers",
                line={"color": SERIES[index], "dash": DASHES[index], "width": 2},
                marker={"symbol": SYMBOLS[index], "size": 7},
                hovertemplate=f"epoch %{{x}}<br>%{{y:.2%}}<extra>{metric_label(name)}</extra>",
            )
    style_axes(plot, "Epoch", "On val")
    plot.update_yaxes(tickformat=".0%")
    epoch_ticks(plot, len(log.val))
    plot.update_layout(hovermode="x")
    return Plot(
        "validation",
        "Metrics on val",
        f"The best checkpoint is the one of best {metric_label(best).lower()} on val"
        f"{_best_epoch(log, best)}.",
        plot,
        _by_epoch(log, *dict.fromkeys((best, *_SHOWN))),
    )


def _series(
    entries: Sequence[dict[str, Any]], name: str, over: str = "step"
) -> tuple[list[float], list[float]]:
    """Abscissae and values where the value exists."""
    there = [entry for entry in entries if entry.get(name) is not None]
    return [entry[over] for entry in there], [entry[name] for entry in there]


def _averaged(values: Sequence[float]) -> list[float]:
    """At most 1,000 means of neighbouring values."""
    if len(values) <= _POINTS:
        return list(values)
    return [float(part.mean()) for part in np.array_split(np.asarray(values), _POINTS)]


def _loss_description(losses: Sequence[float], val_losses: Sequence[float]) -> str:
    parts = [
        f"{what} went from {number(values[0])} to {number(values[-1])}"
        for what, values in (("of the training batches", losses), ("on val", val_losses))
        if values
    ]
    if not parts:
        return "No loss was logged."
    return (
        f"The loss {' and '.join(parts)}. Batches and val hold other shares of genuine pairs, so "
        "that the two need not meet."
    )


def _best_epoch(log: TrainingLog, best: str) -> str:
    position = quantity(best).best([entry.get(best) for entry in log.val])
    if position is None:
        return ""
    entry = log.val[position]
    return f", {metric_value(best, entry[best])} in epoch {entry['epoch']}"


def _by_epoch(log: TrainingLog, *names: str) -> Table:
    return Table(
        "On val, by epoch",
        ("Epoch", *(metric_label(name) for name in names)),
        tuple(
            (str(entry["epoch"]), *(metric_value(name, entry.get(name)) for name in names))
            for entry in log.val
        ),
    )
