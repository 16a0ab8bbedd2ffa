"""The DET: false non-matches against false matches, both on logarithmic axes."""

import numpy as np

from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.result import EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.page import Plot, Table
from facesim.report.formatting import accept_rates, percent
from facesim.report.plots.curve_parts import add_band, add_threshold, log_rate_axis
from facesim.report.plots.drawn_curve import visible_points
from facesim.report.plots.layout import MUTED, SERIES, new_plot, style_axes


def det_figure(roc: Roc, band: RocBand | None, result: EvaluationResult) -> Plot:
    """The trade-off of both errors, as NIST's FRTE draws it.

    Args:
        roc: of pairs of both kinds.
        band: pointwise intervals; None if there are none.
        result: for the threshold's point and the equal error rate.
    """
    plot = new_plot(height=420)
    add_band(plot, band, rejects=True)
    fmr, fnmr = roc.det().T
    shown = (fmr > 0) & (fnmr > 0)
    fmr, fnmr = fmr[shown], fnmr[shown]
    if len(fmr):
        kept = visible_points(np.log10(fmr), np.log10(fnmr))
        plot.add_scatter(
            x=fmr[kept],
            y=fnmr[kept],
            name="this run",
            mode="lines",
            line={"color": SERIES[0], "width": 2, "shape": "hv"},
            hovertemplate="FNMR %{y:.3~%}<br>FMR %{x:.3~%}<extra></extra>",
        )
    smallest = min(1 / roc.impostor, 1 / roc.genuine)
    plot.add_scatter(
        x=[smallest, 1],
        y=[smallest, 1],
        showlegend=False,
        mode="lines",
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )
    add_threshold(plot, result, rejects=True)
    style_axes(plot, "False match rate", "False non-match rate")
    log_rate_axis(plot.layout.xaxis, 1 / roc.impostor)
    log_rate_axis(plot.layout.yaxis, 1 / roc.genuine)
    return Plot("det", "DET", _description(result), plot, _numbers(result))


def _description(result: EvaluationResult) -> str:
    at = [
        f"{percent(1 - each.value)} at FMR {rate_name(target)}"
        for target, each in accept_rates(result)
        if each.value is not None and each.value < 1
    ]
    text = f"The false non-match rate is {', '.join(at)}. " if at else ""
    return f"{text}The dotted line is where both are equal."


def _numbers(result: EvaluationResult) -> Table:
    rows = tuple(
        (
            rate_name(target),
            percent(1 - at.value) if at.value is not None else str(at.reason),
            f"{percent(1 - at.high)} to {percent(1 - at.low)}"
            if at.low is not None and at.high is not None
            else "no interval",
        )
        for target, at in accept_rates(result)
    )
    return Table("False non-match rate at false match rates", ("FMR", "FNMR", "95% interval"), rows)
