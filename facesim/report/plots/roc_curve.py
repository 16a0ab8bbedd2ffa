"""The ROC of one run: true accepts against false accepts, on a logarithmic axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from facesim.evaluation.baseline import Baseline
from facesim.evaluation.metrics import far_name
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import Roc
from facesim.evaluation.roc_band import RocBand
from facesim.page import Plot, Table
from facesim.report.formatting import interval, number, percent, tar_at_far, words
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
    return Plot("roc", "ROC", _description(result, band), plot, _numbers(band, result))


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
    """Every fourth point of the band; the FAR targets where there is no band."""
    caption = "True accept rate at false accept rates"
    if band is None:
        targets = ((far_name(at.far), tar_at_far(at)) for at in result.tar_at_far)
        return Table(caption, ("FAR", "TAR"), tuple(targets))
    points = np.stack([band.far, band.tar, band.low, band.high], axis=1)
    shown = points[np.isfinite(points).all(axis=1)][::4].tolist()
    rows = tuple((percent(far), percent(tar), interval("tar", *ends)) for far, tar, *ends in shown)
    return Table(caption, ("FAR", "TAR", "95% interval"), rows)
