"""The ROC: true accepts against false accepts, on a logarithmic axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from facesim.evaluation.baseline import Baseline
from facesim.evaluation.metrics import far_name
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import Roc
from facesim.evaluation.roc_band import RocBand
from facesim.report.figures.drawn_curve import visible_points
from facesim.report.figures.layout import (
    DASHES,
    INK,
    MUTED,
    SERIES,
    SYMBOLS,
    literal,
    new_plot,
    style_axes,
)
from facesim.report.formatting import number, percent, tar_at_far, words
from facesim.report.page import Figure, Table

_BELOW_ALL_AXES = 1e-9


def roc_figure(
    roc: Roc, band: RocBand | None, result: EvaluationResult, baselines: Sequence[Baseline] = ()
) -> Figure:
    """The curve with its band, the threshold's point, chance, and the baselines' points.

    Args:
        roc: of pairs of both kinds.
        band: pointwise intervals; None if there are none.
        result: for the threshold's point and the numbers in words.
        baselines: each drawn at the FARs that were measured.
    """
    plot = new_plot(height=420)
    add_band(plot, band)
    add_roc(plot, roc, "this run", 0)
    _add_baselines(plot, baselines)
    _add_chance(plot, 1 / roc.impostor)
    add_threshold(plot, result)
    style_axes(plot, "False accept rate", "True accept rate")
    log_rate_axis(plot.layout.xaxis, 1 / roc.impostor)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    return Figure("roc", "ROC", _description(result, band), plot, _numbers(band, result))


def add_roc(plot: Any, roc: Roc, name: str, series: int) -> None:
    """Draw a curve, as steps, where the FAR is not 0."""
    shown = np.flatnonzero(roc.false_accepts > 0)
    far, tar = roc.far[shown], roc.tar[shown]
    kept = visible_points(np.log10(far), tar)
    plot.add_scatter(
        x=far[kept],
        y=tar[kept],
        customdata=roc.thresholds[shown][kept],
        name=literal(name),
        mode="lines",
        line={"color": SERIES[series % 6], "dash": DASHES[series % 6], "width": 2, "shape": "hv"},
        hovertemplate=(
            f"<b>{literal(name)}</b><br>TAR %{{y:.2%}}<br>FAR %{{x:.3~%}}"
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
    plot.add_scatter(x=band.far[there], y=low[there], showlegend=False, **edge)
    plot.add_scatter(
        x=band.far[there],
        y=high[there],
        name="95% interval",
        fill="tonexty",
        fillcolor="var(--series-1-fill)",
        **edge,
    )


def add_threshold(plot: Any, result: EvaluationResult, *, rejects: bool = False) -> None:
    """Mark the point that the threshold from val reaches."""
    far, tar = result.far.value, result.tar.value
    if not far or tar is None:
        return
    plot.add_scatter(
        x=[far],
        y=[1 - tar if rejects else tar],
        name="at the threshold",
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": INK},
        hovertemplate=(
            f"threshold {number(result.threshold)}<br>FAR {percent(far)}"
            f"<br>TAR {percent(tar)}<extra></extra>"
        ),
    )


def log_rate_axis(axis: Any, smallest: float) -> None:
    """A logarithmic axis of rates from ``smallest`` to 1."""
    axis.update(type="log", range=[np.log10(smallest), 0.02], dtick=1, exponentformat="power")


def _add_baselines(plot: Any, baselines: Sequence[Baseline]) -> None:
    for series, baseline in enumerate(baselines, start=1):
        measured = [
            at for at in baseline.result.tar_at_far if at.tar is not None and at.achieved_far
        ]
        name = literal(words(baseline.name))
        plot.add_scatter(
            x=[at.achieved_far for at in measured],
            y=[at.tar for at in measured],
            name=name,
            mode="markers+lines",
            marker={"symbol": SYMBOLS[series % 6] + "-open", "size": 8},
            line={"color": SERIES[series % 6], "dash": DASHES[series % 6], "width": 1},
            hovertemplate=f"<b>{name}</b><br>TAR %{{y:.2%}}<br>FAR %{{x:.3~%}}<extra></extra>",
        )


def _add_chance(plot: Any, smallest: float) -> None:
    far = np.geomspace(smallest, 1, 50)
    plot.add_scatter(
        x=far,
        y=far,
        showlegend=False,
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )


def _description(result: EvaluationResult, band: RocBand | None) -> str:
    at = [
        f"{percent(each.tar)} at FAR {far_name(each.far)}" for each in result.tar_at_far if each.tar
    ]
    text = f"The true accept rate is {', '.join(at)}." if at else "No FAR target is measurable."
    area = result.roc_auc.value
    text += f" The area under the curve is {number(area)}." if area is not None else ""
    text += " The dotted line is guessing."
    how = "The band is a 95% interval at each FAR, from a bootstrap over identities."
    return f"{text} {how}" if band is not None else text


def _numbers(band: RocBand | None, result: EvaluationResult) -> Table:
    if band is None:
        rows = tuple((far_name(at.far), tar_at_far(at), NO_BAND) for at in result.tar_at_far)
    else:
        rows = tuple(
            (percent(far), percent(tar), f"{percent(low)} to {percent(high)}")
            for far, tar, low, high in list(
                zip(
                    *(each.tolist() for each in (band.far, band.tar, band.low, band.high)),
                    strict=True,
                )
            )[::4]
        )
    return Table("True accept rate at false accept rates", ("FAR", "TAR", "95% interval"), rows)


NO_BAND = "no interval"
