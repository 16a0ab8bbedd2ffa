"""ROC plot of several runs."""

from facesim.interfaces.result import rate_name
from facesim.interfaces.roc import Roc
from facesim.page import Plot, Table
from facesim.report.formatting import NOTHING, RATE, estimate
from facesim.report.metric_selection import accept_rates
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
    style_axes(plot, "False match rate (FMR)", "True accept rate (1 - FNMR)")
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
    rates = [dict(accept_rates(run.result, comparison.metrics)) for run in comparison.runs]
    targets = dict.fromkeys(target for each in rates for target in each)
    rows = tuple(
        (
            run.label,
            *(estimate(RATE, each[target]) if target in each else NOTHING for target in targets),
        )
        for run, each in zip(comparison.runs, rates, strict=True)
    )
    columns = ("Run", *(f"TAR at FAR {rate_name(target)}" for target in targets))
    return Table("TAR at FAR", columns, rows)
