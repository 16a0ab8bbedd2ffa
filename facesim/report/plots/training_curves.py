"""Training by step and epoch: the loss, the metrics on val, embedding diagnostics."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from facesim.interfaces.metric import MeanLoss, Metric, Quantity
from facesim.page import Axis, Mark, Panel, Plot, Series, Table
from facesim.report.formatting import metric_value, number, percent
from facesim.runs.log import TrainingLog

_POINTS = 1000
_MARKED: tuple[Mark, ...] = ("line", "points")


def loss_plot(log: TrainingLog) -> Plot:
    """The loss of logged batches and the mean loss on val, over the steps."""
    steps, losses = _series(log.train, "loss")
    val_steps, val_losses = _series(log.val, "loss")
    drawn = (
        Series(
            "training batches",
            _averaged(steps),
            _averaged(losses),
            marks=("line",) if len(steps) > 1 else ("points",),
        ),
        Series("val", val_steps, val_losses, 1, _MARKED),
    )
    panel = Panel(Axis("Step", "whole"), Axis("Loss"), tuple(each for each in drawn if each.x))
    told = _loss_description(losses, val_losses)
    return Plot("loss", "Loss", told, (panel,), _by_epoch(log, [MeanLoss()]))


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
    rates = [each for each in logged if each.unit == "percent"]
    drawn = tuple(
        Series(metric.label, *_series(log.val, metric.name, over="epoch"), style, _MARKED)
        for style, metric in enumerate(rates)
    )
    panel = Panel(Axis("Epoch", "whole"), Axis("On val", "percent"), drawn)
    better = "highest" if best.higher_is_better else "lowest"
    told = f"The best checkpoint is that of the {better} {_in_a_sentence(best.label)} on val"
    position = best.best([entry.get(best.name) for entry in log.val])
    if position is not None:
        entry = log.val[position]
        told += f": {metric_value(best, entry[best.name])} in epoch {entry['epoch']}"
    return Plot("validation", "Metrics on val", f"{told}.", (panel,), _by_epoch(log, logged))


def _series(
    entries: Sequence[dict[str, Any]], name: str, over: str = "step"
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Abscissae and values where the value exists."""
    there = [entry for entry in entries if entry.get(name) is not None]
    return tuple(entry[over] for entry in there), tuple(entry[name] for entry in there)


def _averaged(values: tuple[float, ...]) -> tuple[float, ...]:
    """At most 1,000 means of neighbouring values."""
    if len(values) <= _POINTS:
        return values
    return tuple(float(part.mean()) for part in np.array_split(np.asarray(values), _POINTS))


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
_SHARES = ("impostors_inside_margin",)


def health_plot(log: TrainingLog) -> Plot:
    """One small plot over the epochs per diagnostic that was logged."""
    names = [name for name in HEALTH if any(entry.get(name) is not None for entry in log.val)]
    epochs = tuple(entry["epoch"] for entry in log.val)
    panels = tuple(
        Panel(
            Axis("Epoch" if name == names[-1] else "", "whole"),
            Axis(HEALTH[name], "percent" if name in _SHARES else "number", low=0.0),
            (Series("", epochs, tuple(entry.get(name) for entry in log.val), marks=_MARKED),),
            height=120,
        )
        for name in names
    )
    told = _description(log, names)
    return Plot("health", "Embeddings on val", told, panels, _numbers(log, names))


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
    return percent(value) if name in _SHARES else number(value)
