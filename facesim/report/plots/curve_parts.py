"""What ROC and DET are drawn from: curves, bands, the threshold's point, logarithmic axes."""

from typing import Any

import numpy as np

from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.report.formatting import headline_point, number, percent
from facesim.report.plots.drawn_curve import visible_points
from facesim.report.plots.layout import DASHES, INK, SERIES, literal

_BELOW_ALL_AXES = 1e-9


def add_roc(plot: Any, roc: Roc, name: str, series: int) -> None:
    """Draw a curve, as steps, where the FMR is not 0."""
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


def add_band(plot: Any, band: RocBand | None, *, rejects: bool = False) -> None:
    """Draw pointwise intervals of TAR, or of FNMR where ``rejects``."""
    if band is None:
        return
    low, high = band.low, band.high
    there = np.isfinite(low)
    if rejects:  # a logarithmic axis cannot show 0
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


def add_threshold(plot: Any, result: EvaluationResult, *, rejects: bool = False) -> None:
    """Mark the point that the threshold from val reaches."""
    at = headline_point(result)
    fmr, tar = at.fmr.value, at.tar.value
    if not fmr or tar is None:
        return
    plot.add_scatter(
        x=[fmr],
        y=[1 - tar if rejects else tar],
        name="at the threshold",
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": INK},
        hovertemplate=(
            f"threshold {number(result.threshold)}<br>FMR {percent(fmr)}"
            f"<br>TAR {percent(tar)}<extra></extra>"
        ),
    )


def log_rate_axis(axis: Any, smallest: float) -> None:
    """A logarithmic axis of rates from ``smallest`` to 1."""
    axis.update(type="log", range=[np.log10(smallest), 0.02], dtick=1, exponentformat="power")
