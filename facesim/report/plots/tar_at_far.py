"""The true accept rate at fixed false accept rates, where single scores were not kept."""

from facesim.evaluation.metrics import far_name
from facesim.evaluation.result import EvaluationResult
from facesim.page import Plot, Table
from facesim.report.formatting import tar_at_far
from facesim.report.plots.curve_parts import log_rate_axis
from facesim.report.plots.layout import SERIES, new_plot, style_axes


def tar_at_far_figure(result: EvaluationResult) -> Plot | None:
    """The measurable targets with their intervals; None if there is none."""
    measured = [(at, at.tar) for at in result.tar_at_far if at.tar is not None]
    if not measured:
        return None
    plot = new_plot(height=400)
    plot.add_scatter(
        x=[at.far for at, _ in measured],
        y=[tar for _, tar in measured],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [0 if at.high is None else at.high - tar for at, tar in measured],
            "arrayminus": [0 if at.low is None else tar - at.low for at, tar in measured],
            "width": 5,
        },
        text=[tar_at_far(at) for at, _ in measured],
        mode="markers",
        marker={"size": 9, "color": SERIES[0]},
        hovertemplate="FAR %{x}<br>TAR %{text}<extra></extra>",
    )
    style_axes(plot, "False accept rate", "True accept rate")
    log_rate_axis(plot.layout.xaxis, min(at.far for at, _ in measured) / 2)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    return Plot(
        "tar-at-far",
        "True accept rate at fixed false accept rates",
        f"Of {result.pairs:,} pairs, whose single scores were not kept; with 95% intervals.",
        plot,
        Table(
            "True accept rate at fixed false accept rates",
            ("FAR", "TAR"),
            tuple((far_name(at.far), tar_at_far(at)) for at in result.tar_at_far),
        ),
    )
