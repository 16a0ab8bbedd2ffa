"""The ROC curves of several runs on one pair of axes."""

from facesim.evaluation.roc import Roc
from facesim.page import Plot, Table
from facesim.report.formatting import metric_label, tar_at_far
from facesim.report.plots.curve_parts import add_roc, log_rate_axis
from facesim.report.plots.layout import new_plot, style_axes
from facesim.runs.comparison import Comparison


def roc_overlay(comparison: Comparison) -> Plot | None:
    """The curve of each run whose scores were kept; None if none were."""
    plot = new_plot(height=440)
    smallest = 1.0
    for series, run in enumerate(comparison.runs):
        pairs = run.files.pairs
        if pairs is None or not (run.result.genuine and run.result.impostor):
            continue
        roc = Roc.of_scores(pairs.scores, pairs.same)
        add_roc(plot, roc, run.label, series)
        smallest = min(smallest, 1 / roc.impostor)
    if not plot.data:
        return None
    style_axes(plot, "False accept rate", "True accept rate")
    log_rate_axis(plot.layout.xaxis, smallest)
    plot.update_yaxes(tickformat=".0%", range=[0, 1.01])
    return Plot(
        "roc",
        "ROC",
        "The curve of each run on its own pairs; further up and further left is better.",
        plot,
        _numbers(comparison),
    )


def _numbers(comparison: Comparison) -> Table:
    targets = [at.far for at in comparison.runs[0].result.tar_at_far]
    return Table(
        "True accept rate at fixed false accept rates",
        ("Run", *(metric_label(f"tar_at_far_{far:g}") for far in targets)),
        tuple(
            (run.label, *(tar_at_far(at) for at in run.result.tar_at_far))
            for run in comparison.runs
        ),
    )
