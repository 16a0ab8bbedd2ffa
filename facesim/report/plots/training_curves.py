"""Training by step and epoch: the loss, the metrics on val, embedding diagnostics."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from plotly.subplots import make_subplots

from facesim.interfaces.metric import MeanLoss, Metric, Quantity
from facesim.page import Plot, Table
from facesim.report.formatting import metric_value, number, percent
from facesim.report.plots.layout import (
    DASHES,
    SERIES,
    SYMBOLS,
    epoch_ticks,
    literal,
    new_plot,
    style_axes,
)
from facesim.runs.log import TrainingLog

_POINTS = 1000


def loss_plot(log: TrainingLog) -> Plot:
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
    told = _loss_description(losses, val_losses)
    return Plot("loss", "Loss", told, plot, _by_epoch(log, [MeanLoss()]))


def validation_plot(log: TrainingLog, best: Quantity, metrics: Iterable[Metric]) -> Plot:
    """Headline metrics on val over the epochs, and the epoch of the best checkpoint in words.

    Args:
        log: with one epoch or more.
        best: the metric that the best checkpoint is kept by.
        metrics: that the run measures; the headline rates among them are drawn.
    """
    headline = {metric.name: metric for metric in metrics if metric.headline}
    logged = [
        metric
        for metric in {best.name: best, **headline}.values()
        if any(entry.get(metric.name) is not None for entry in log.val)
    ]
    plot = new_plot()
    for index, metric in enumerate(each for each in logged if each.unit == "percent"):
        epochs, values = _series(log.val, metric.name, over="epoch")
        plot.add_scatter(
            x=epochs,
            y=values,
            name=literal(metric.label),
            mode="lines+markers",
            line={"color": SERIES[index % 6], "dash": DASHES[index % 6], "width": 2},
            marker={"symbol": SYMBOLS[index % 6], "size": 7},
            hovertemplate=f"epoch %{{x}}<br>%{{y:.2%}}<extra>{literal(metric.label)}</extra>",
        )
    style_axes(plot, "Epoch", "On val")
    plot.update_yaxes(tickformat=".0%")
    epoch_ticks(plot, len(log.val))
    plot.update_layout(hovermode="x")
    better = "highest" if best.higher_is_better else "lowest"
    told = f"The best checkpoint is that of the {better} {_in_a_sentence(best.label)} on val"
    position = best.best([entry.get(best.name) for entry in log.val])
    if position is not None:
        entry = log.val[position]
        told += f": {metric_value(best, entry[best.name])} in epoch {entry['epoch']}"
    return Plot("validation", "Metrics on val", f"{told}.", plot, _by_epoch(log, logged))


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
        f"The loss {' and '.join(parts)}. Batches and val hold different shares of genuine pairs, "
        "so that the two losses may differ."
    )


def _in_a_sentence(label: str) -> str:
    """A label without its capital, unless it begins with an acronym."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _by_epoch(log: TrainingLog, metrics: Sequence[Quantity]) -> Table:
    return Table(
        "On val, by epoch",
        ("Epoch", *(metric.label for metric in metrics)),
        tuple(
            (
                str(entry["epoch"]),
                *(metric_value(metric, entry.get(metric.name)) for metric in metrics),
            )
            for entry in log.val
        ),
    )


HEALTH = {
    "effective_rank": "Effective rank",
    "embedding_relative_variance": "Variance relative to squared length",
    "impostors_inside_margin": "Impostors inside the margin",
}


def health_plot(log: TrainingLog) -> Plot:
    """One small plot over the epochs per diagnostic that was logged."""
    names = [name for name in HEALTH if any(entry.get(name) is not None for entry in log.val)]
    titles = [HEALTH[name] for name in names]
    plot = make_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.12,
        subplot_titles=titles,
        figure=new_plot(height=60 + 150 * len(names)),
    )
    for row, name in enumerate(names, start=1):
        plot.add_scatter(
            x=[entry["epoch"] for entry in log.val],
            y=[entry.get(name) for entry in log.val],
            mode="lines+markers",
            line={"color": SERIES[0], "width": 2},
            hovertemplate=f"epoch %{{x}}<br>%{{y:.4g}}<extra>{HEALTH[name]}</extra>",
            row=row,
            col=1,
        )
    style_axes(plot, "", "")
    plot.update_xaxes(title={"text": "Epoch"}, row=len(names), col=1)
    epoch_ticks(plot, len(log.val))
    plot.update_yaxes(rangemode="tozero")
    plot.update_annotations(font={"size": 13}, x=0, xanchor="left")
    plot.update_layout(showlegend=False, margin={"t": 28})
    return Plot("health", "Embeddings on val", _description(log, names), plot, _numbers(log, names))


def _description(log: TrainingLog, names: list[str]) -> str:
    last = {name: log.val[-1].get(name) for name in names}
    told = ", ".join(f"{HEALTH[name].lower()} {_value(name, last[name])}" for name in names)
    return (
        "A falling effective rank or variance means that the embeddings collapse: all faces "
        f"get nearly the same one. After the last epoch: {told}."
    )


def _numbers(log: TrainingLog, names: list[str]) -> Table:
    return Table(
        "Embeddings on val, by epoch",
        ("Epoch", *(HEALTH[name] for name in names)),
        tuple(
            (str(entry["epoch"]), *(_value(name, entry.get(name)) for name in names))
            for entry in log.val
        ),
    )


def _value(name: str, value: float | None) -> str:
    return percent(value) if name == "impostors_inside_margin" else number(value)
