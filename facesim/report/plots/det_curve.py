"""Error trade-off of one run: the DET plot, or TAR at FAR where single scores were not kept."""

from collections.abc import Mapping, Sequence

import numpy as np

from facesim.evaluation.roc_band import RocBand
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate, EvaluationResult, rate_name
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_points import equal_error_rate
from facesim.page import Plot
from facesim.report.formatting import (
    RATE,
    accept_rates,
    complement,
    estimate,
    estimated_value,
    is_measurable,
    percent,
    target_rates_table,
)
from facesim.report.plots.layout import (
    MUTED,
    SERIES,
    add_band,
    add_threshold,
    log_rate_axis,
    new_plot,
    style_axes,
    visible_points,
)


def det_plot(
    roc: Roc, band: RocBand | None, result: EvaluationResult, metrics: Mapping[str, Metric]
) -> Plot:
    """The trade-off of both error rates, as NIST's FRTE draws it.

    Args:
        roc: of pairs of both kinds.
        band: pointwise intervals; None if there are none.
        result: for the operating point and the numbers in words.
        metrics: by name, for those that are read at a target FMR.
    """
    plot = new_plot(height=420)
    add_band(plot, band, non_matches=True)
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
    add_threshold(plot, result, non_matches=True)
    style_axes(plot, "False match rate (FMR)", "False non-match rate (FNMR)")
    log_rate_axis(plot.layout.xaxis, 1 / roc.impostor)
    log_rate_axis(plot.layout.yaxis, 1 / roc.genuine)
    rates = [(target, complement(at)) for target, at in accept_rates(result, metrics)]
    numbers = target_rates_table("FNMR at FMR, with 95% intervals", ("FMR", "FNMR"), rates)
    return Plot("det", "DET", _description(rates, roc), plot, numbers)


def _description(rates: Sequence[tuple[float, Estimate]], roc: Roc) -> str:
    at = [
        f"{estimated_value(RATE, each)} at FMR {rate_name(target)}"
        for target, each in rates
        if is_measurable(each)
    ]
    text = f"The false non-match rate is {'; '.join(at)}. " if at else ""
    equal = percent(equal_error_rate(roc).rate)
    return f"{text}The dotted line is where both are equal; the equal error rate is {equal}."


def tar_at_far_plot(result: EvaluationResult, metrics: Mapping[str, Metric]) -> Plot | None:
    """The measurable targets with their intervals; None if there is none.

    Args:
        result: of the evaluation.
        metrics: by name, for those that are read at a target FMR.
    """
    rates = accept_rates(result, metrics)
    measured = [
        (target, tar, tar.value)
        for target, tar in rates
        if tar.value is not None and is_measurable(tar)
    ]
    if not measured:
        return None
    plot = new_plot(height=400)
    plot.add_scatter(
        x=[target for target, _, _ in measured],
        y=[value for _, _, value in measured],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [0 if at.high is None else at.high - value for _, at, value in measured],
            "arrayminus": [0 if at.low is None else value - at.low for _, at, value in measured],
            "width": 5,
        },
        text=[estimate(RATE, at) for _, at, _ in measured],
        mode="markers",
        marker={"size": 9, "color": SERIES[0]},
        hovertemplate="FMR %{x}<br>TAR %{text}<extra></extra>",
    )
    style_axes(plot, "False match rate (FMR)", "True accept rate (1 - FNMR)")
    log_rate_axis(plot.layout.xaxis, min(target for target, _, _ in measured) / 2)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    return Plot(
        "tar-at-far",
        "TAR at FAR",
        f"Of {result.pairs:,} pairs, whose single scores were not kept; with 95% intervals.",
        plot,
        target_rates_table("TAR at FAR", ("FMR", "TAR"), rates),
    )
