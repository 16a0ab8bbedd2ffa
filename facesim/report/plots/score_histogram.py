"""Distribution of genuine and impostor scores: the histogram, and the quantiles by epoch."""

from itertools import pairwise
from typing import Any

import numpy as np

from facesim.arrays import BoolArray, FloatArray
from facesim.evaluation.diagnostics import QUANTILES
from facesim.page import Plot, Table
from facesim.report.formatting import number, percent
from facesim.report.plots.layout import GENUINE, IMPOSTOR, INK, epoch_ticks, new_plot, style_axes
from facesim.runs.log import TrainingLog

_BINS = 60
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def score_histogram(scores: FloatArray, same: BoolArray, threshold: float | None) -> Plot:
    """Shares of the genuine and of the impostor pairs in each of 60 bins of score.

    Args:
        scores: float64 [P], P > 0.
        same: bool [P].
        threshold: drawn if there is one.
    """
    kinds = {"Genuine": scores[same], "Impostor": scores[~same]}
    plot = new_plot()
    edges = np.histogram_bin_edges(scores, _BINS)
    for (kind, values), (colour, dash) in zip(
        kinds.items(), ((GENUINE, "solid"), (IMPOSTOR, "dash")), strict=True
    ):
        if len(values):
            plot.add_scatter(**_outline(kind, values, edges), line={"color": colour, "dash": dash})
            plot.data[-1].fillcolor = colour.replace(")", "-fill)")
    style_axes(plot, "Score (higher: more similar)", "Share of the genuine / impostor pairs")
    plot.update_yaxes(tickformat=".0%", rangemode="tozero")
    plot.update_xaxes(hoverformat=".4~g")
    plot.update_layout(hovermode="x")
    if threshold is not None:
        top = max(float(trace.y.max()) for trace in plot.data)
        plot.add_scatter(
            x=[threshold, threshold],
            y=[0, top],
            name=f"threshold {number(threshold)}",
            mode="lines",
            line={"color": INK, "width": 1.5, "dash": "dot"},
            hovertemplate=f"threshold {number(threshold)}<extra></extra>",
        )
    return Plot(
        "score-histogram",
        "Distribution of scores",
        _description(kinds, threshold),
        plot,
        _numbers(kinds),
    )


def _outline(kind: str, values: FloatArray, edges: FloatArray) -> dict[str, Any]:
    shares = np.histogram(values, edges)[0] / len(values)
    ends = [f"{number(low)} to {number(high)}" for low, high in pairwise(edges)]
    of = f"of the {kind.lower()} pairs"
    return {
        "x": edges,
        "y": np.append(shares, shares[-1]),
        "text": [*ends, ends[-1]],
        "name": kind,
        "mode": "lines",
        "line_shape": "hv",
        "fill": "tozeroy",
        "hovertemplate": f"score %{{text}}<br>%{{y:.2%}} {of}<extra></extra>",
    }


def _description(kinds: dict[str, FloatArray], threshold: float | None) -> str:
    medians = " and ".join(
        f"{number(float(np.median(values)))} for {kind.lower()} pairs"
        for kind, values in kinds.items()
        if len(values)
    )
    text = f"The median score is {medians}."
    if threshold is None:
        return f"{text} There is no threshold."
    wrong = (
        ("genuine pairs lie below it (false non-matches)", kinds["Genuine"] < threshold),
        ("impostor pairs at or above it (false matches)", kinds["Impostor"] >= threshold),
    )
    shares = " and ".join(f"{percent(float(of.mean()))} of {what}" for what, of in wrong if len(of))
    return f"{text} The threshold is {number(threshold)}: {shares}."


def _numbers(kinds: dict[str, FloatArray]) -> Table:
    return Table(
        "Quantiles of the scores",
        ("Kind", "Pairs", *(f"{quantile:.0%}" for quantile in _QUANTILES)),
        tuple(
            (
                kind,
                f"{len(values):,}",
                *(number(float(each)) for each in np.quantile(values, _QUANTILES)),
            )
            for kind, values in kinds.items()
            if len(values)
        ),
    )


_KINDS = (("genuine", GENUINE, "solid", "circle"), ("impostor", IMPOSTOR, "dash", "square"))


def score_quantiles_plot(log: TrainingLog) -> Plot | None:
    """Medians and 5% to 95% ranges of both kinds, by epoch; None if none were logged."""
    plot = new_plot()
    for kind, colour, dash, symbol in _KINDS:
        entries = [entry for entry in log.val if f"{kind}_score_q50" in entry]
        if not entries:
            continue
        epochs = [entry["epoch"] for entry in entries]
        edge = {"x": epochs, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        low, high = ([entry[f"{kind}_score_q{end:02d}"] for entry in entries] for end in (5, 95))
        plot.add_scatter(y=low, showlegend=False, **edge)
        fill = colour.replace(")", "-fill)")
        plot.add_scatter(y=high, fill="tonexty", fillcolor=fill, showlegend=False, **edge)
        plot.add_scatter(
            x=epochs,
            y=[entry[f"{kind}_score_q50"] for entry in entries],
            customdata=list(zip(low, high, strict=True)),
            name=f"{kind} median",
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 7},
            hovertemplate=(
                f"{kind} median %{{y:.4g}}<br>90% from %{{customdata[0]:.4g}} "
                "to %{customdata[1]:.4g}<extra></extra>"
            ),
        )
    if not plot.data:
        return None
    style_axes(plot, "Epoch", "Score")
    epoch_ticks(plot, len(log.val))
    plot.update_layout(hovermode="x")
    return Plot(
        "score-quantiles",
        "Scores on val",
        "Lines are medians; bands hold the middle 90% of the pairs. Training should separate the "
        "bands.",
        plot,
        _quantiles_by_epoch(log),
    )


def _quantiles_by_epoch(log: TrainingLog) -> Table:
    return Table(
        "Quantiles of the scores on val, by epoch",
        ("Epoch", *(f"{kind} {end}%" for kind, *_ in _KINDS for end in QUANTILES)),
        tuple((str(entry["epoch"]), *_quantiles(entry)) for entry in log.val),
    )


def _quantiles(entry: dict[str, Any]) -> list[str]:
    return [
        number(entry.get(f"{kind}_score_q{end:02d}")) for kind, *_ in _KINDS for end in QUANTILES
    ]
