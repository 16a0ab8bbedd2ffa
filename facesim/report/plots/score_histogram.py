"""Histogram of genuine and impostor scores with the decision threshold."""

from itertools import pairwise
from typing import Any

import numpy as np

from facesim.arrays import BoolArray, FloatArray
from facesim.page import Plot, Table
from facesim.report.formatting import number, percent
from facesim.report.plots.layout import GENUINE, IMPOSTOR, INK, new_plot, style_axes

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
