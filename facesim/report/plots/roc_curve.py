"""The ROC of one run: true accepts against false accepts, on a logarithmic axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from facesim.evaluation.baselines import Baseline
from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.result import EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.page import Plot, Table
from facesim.report.formatting import accept_rates, estimate, interval, number, percent, words
from facesim.report.plots.curve_parts import (
    add_band,
    add_roc,
    add_threshold,
    log_rate_axis,
)
from facesim.report.plots.layout import (
    DASHES,
    MUTED,
    SERIES,
    SYMBOLS,
    literal,
    new_plot,
    style_axes,
)


def roc_figure(
    roc: Roc, band: RocBand | None, result: EvaluationResult, baselines: Sequence[Baseline] = ()
) -> Plot:
    """The curve with its band, the threshold's point, chance, and the baselines' points.

    Args:
        roc: of pairs of both kinds.
        band: pointwise intervals; None if there are none.
        result: for the threshold's point and the numbers in words.
        baselines: each drawn at the FMRs that were measured.
    """
    plot = new_plot(height=420)
    add_band(plot, band)
    add_roc(plot, roc, "this run", 0)
    _add_baselines(plot, baselines)
    _add_chance(plot, 1 / roc.impostor)
    add_threshold(plot, result)
    style_axes(plot, "False match rate", "True accept rate")
    log_rate_axis(plot.layout.xaxis, 1 / roc.impostor)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    return Plot("roc", "ROC", _description(result, roc, band), plot, _numbers(band, result))


def _add_baselines(plot: Any, baselines: Sequence[Baseline]) -> None:
    for series, baseline in enumerate(baselines, start=1):
        measured = [
            (at.point.achieved_fmr, at.value)
            for _, at in accept_rates(baseline.result)
            if at.value is not None and at.point is not None and at.point.achieved_fmr
        ]
        name = literal(words(baseline.name))
        plot.add_scatter(
            x=[fmr for fmr, _ in measured],
            y=[tar for _, tar in measured],
            name=name,
            mode="markers+lines",
            marker={"symbol": SYMBOLS[series % 6] + "-open", "size": 8},
            line={"color": SERIES[series % 6], "dash": DASHES[series % 6], "width": 1},
            hovertemplate=f"<b>{name}</b><br>TAR %{{y:.2%}}<br>FMR %{{x:.3~%}}<extra></extra>",
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


def _description(result: EvaluationResult, roc: Roc, band: RocBand | None) -> str:
    at = [
        f"{percent(each.value)} at FAR {rate_name(target)}"
        for target, each in accept_rates(result)
        if each.value
    ]
    text = f"The true accept rate is {', '.join(at)}." if at else "No FAR target is measurable."
    text += f" The area under the curve is {number(roc.area)}. The dotted line is guessing."
    how = "The band is a 95% interval at each FAR, from a bootstrap over identities."
    return f"{text} {how}" if band is not None else text


def _numbers(band: RocBand | None, result: EvaluationResult) -> Table:
    """Every fourth point of the band; the FAR targets where there is no band."""
    caption = "True accept rate at false match rates"
    if band is None:
        targets = ((rate_name(target), estimate("tar", at)) for target, at in accept_rates(result))
        return Table(caption, ("FMR", "TAR"), tuple(targets))
    points = np.stack([band.fmr, band.tar, band.low, band.high], axis=1)
    shown = points[np.isfinite(points).all(axis=1)][::4].tolist()
    rows = tuple((percent(fmr), percent(tar), interval("tar", *ends)) for fmr, tar, *ends in shown)
    return Table(caption, ("FMR", "TAR", "95% interval"), rows)
