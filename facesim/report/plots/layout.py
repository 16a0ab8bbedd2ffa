"""The common style and parts of all plots: axes, colours, curves, bands."""

from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from facesim.arrays import FloatArray, Int64Array
from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.report.formatting import number, percent

GENUINE, IMPOSTOR = "var(--genuine)", "var(--impostor)"
INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")


_EACH_EPOCH_UP_TO = 12


def new_plot(*, height: int = 360) -> Any:
    """An empty plot in the page's style."""
    return go.Figure(
        layout={
            "template": go.layout.Template(),
            "height": height,
            "autosize": True,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "legend": {
                "orientation": "h",
                "traceorder": "normal",
                "x": 0,
                "y": 1 + 8 / height,
                "yanchor": "bottom",
            },
            "modebar": {
                "bgcolor": "rgba(0,0,0,0)",
                "color": MUTED,
                "activecolor": INK,
            },
            "hoverlabel": {
                "bgcolor": "var(--surface)",
                "bordercolor": "var(--line)",
                "font": {"color": INK},
                "align": "left",
            },
            "hovermode": "closest",
        }
    )


def epoch_ticks(plot: Any, epochs: int) -> None:
    """Ticks on whole epochs: each of them up to 12, else those that Plotly chooses."""
    plot.update_xaxes(tickformat="d")
    if epochs <= _EACH_EPOCH_UP_TO:
        plot.update_xaxes(tick0=1, dtick=1)


def style_axes(plot: Any, x: str, y: str) -> None:
    """Title both axes and style them; each plot sets its own ranges and ticks."""
    quiet = {
        "gridcolor": GRID,
        "linecolor": "var(--line)",
        "zeroline": False,
        "automargin": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "var(--line)",
    }
    plot.update_xaxes(title={"text": x, "standoff": 10, "font": {"size": 13}}, **quiet)
    plot.update_yaxes(title={"text": y, "standoff": 10, "font": {"size": 13}}, **quiet)


def literal(text: str) -> str:
    """Text from data, escaped because Plotly renders a subset of HTML in labels."""
    return escape(text)


_BELOW_ALL_AXES = 1e-9
_POINTS = 600


def add_roc(plot: Any, roc: Roc, name: str, series: int) -> None:
    """Draw a ROC curve, as steps, where the FMR is not 0."""
    shown = np.flatnonzero(roc.false_accepts > 0)
    fmr, tar = roc.fmr[shown], roc.tar[shown]
    kept = visible_points(np.log10(fmr), tar)
    plot.add_scatter(
        x=fmr[kept],
        y=tar[kept],
        customdata=roc.thresholds[shown][kept],
        name=literal(name),
        mode="lines",
        line={"color": SERIES[series % 6], "dash": DASHES[series % 6], "width": 2, "shape": "hv"},
        hovertemplate=(
            f"<b>{literal(name)}</b><br>TAR %{{y:.2%}}<br>FMR %{{x:.3~%}}"
            "<br>threshold %{customdata:.4g}<extra></extra>"
        ),
    )


def add_band(plot: Any, band: RocBand | None, *, non_matches: bool = False) -> None:
    """Draw pointwise intervals of TAR, or of FNMR where ``non_matches``."""
    if band is None:
        return
    low, high = band.low, band.high
    there = np.isfinite(low)
    if non_matches:  # a logarithmic axis cannot show 0
        low, high = np.maximum(1 - band.high, _BELOW_ALL_AXES), 1 - band.low
        there &= band.tar < 1
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    plot.add_scatter(x=band.fmr[there], y=low[there], showlegend=False, **edge)
    plot.add_scatter(
        x=band.fmr[there],
        y=high[there],
        name="95% interval",
        fill="tonexty",
        fillcolor="var(--series-1-fill)",
        **edge,
    )


def add_threshold(plot: Any, result: EvaluationResult, *, non_matches: bool = False) -> None:
    """Mark the operating point of the threshold from val."""
    at = result.at_threshold
    if at is None or not at.fmr.value or at.tar.value is None:
        return
    fmr, tar = at.fmr.value, at.tar.value
    plot.add_scatter(
        x=[fmr],
        y=[1 - tar if non_matches else tar],
        name="at the threshold",
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": INK},
        hovertemplate=(
            f"threshold {number(result.threshold)}<br>FMR {percent(fmr)}"
            f"<br>FNMR {percent(1 - tar)}<extra></extra>"
        ),
    )


def log_rate_axis(axis: Any, smallest: float) -> None:
    """A logarithmic axis of rates from ``smallest`` to 1."""
    axis.update(type="log", range=[np.log10(smallest), 0.02], dtick=1, exponentformat="power")


def visible_points(x: FloatArray, y: FloatArray) -> Int64Array:
    """Indices of at most 600 points, evenly spread along the line as it is drawn.

    Args:
        x: float64 [N], in the units of the axis (logarithms, for a logarithmic one).
        y: float64 [N].
    """
    if len(x) <= _POINTS:
        return np.arange(len(x))
    steps = np.abs(np.diff(x)) / np.ptp(x) + np.abs(np.diff(y)) / max(float(np.ptp(y)), 1e-12)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, along[-1], _POINTS)
    return np.unique(np.searchsorted(along, wanted).clip(0, len(x) - 1))
