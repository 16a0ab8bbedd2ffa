"""TAR at FAR of an evaluation whose single scores were not kept."""

from collections.abc import Mapping

from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult, rate_name
from facesim.page import Plot, Table
from facesim.report.formatting import RATE, estimate
from facesim.report.metric_selection import accept_rates
from facesim.report.plots.curve_parts import log_rate_axis
from facesim.report.plots.layout import SERIES, new_plot, style_axes


def tar_at_far_plot(result: EvaluationResult, metrics: Mapping[str, Metric]) -> Plot | None:
    """The measurable targets with their intervals; None if there is none.

    Args:
        result: of the evaluation.
        metrics: by name, for those that are read at a target FMR.
    """
    rates = accept_rates(result, metrics)
    measured = [(target, tar, tar.value) for target, tar in rates if tar.value is not None]
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
        Table(
            "TAR at FAR",
            ("FMR", "TAR"),
            tuple((rate_name(target), estimate(RATE, at)) for target, at in rates),
        ),
    )
