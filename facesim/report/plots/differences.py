"""Plot of the differences of runs to the first run."""

from collections.abc import Mapping

from facesim.interfaces.metric import Metric
from facesim.page import Plot, Table
from facesim.report.formatting import difference
from facesim.report.plots.intervals import Line, interval_plot
from facesim.runs.comparison import ComparedRun, Comparison


def differences_plot(comparison: Comparison) -> Plot | None:
    """The differences of all rates; None where no rate could be compared."""
    lines = [line for run in comparison.runs[1:] for line in _lines(run, comparison.metrics)]
    if not lines:
        return None
    drawn = {line.name for line in lines}
    lower = [
        metric.label
        for metric in comparison.metrics.values()
        if metric.label in drawn and not metric.higher_is_better
    ]
    direction = f" Lower is better for: {', '.join(lower)}." if lower else ""
    return Plot(
        "differences",
        "Differences to the first run",
        f"Each run minus {comparison.runs[0].label}, with 95% intervals. An interval that holds 0 "
        f"shows no difference.{direction}",
        interval_plot(lines, "Percentage points", tickformat="+~g", reference=0.0),
        Table(
            "Each run minus the first",
            ("Run", "Metric", "Difference"),
            tuple((line.series, line.name, line.text) for line in lines),
            numeric=False,
        ),
    )


def _lines(run: ComparedRun, metrics: Mapping[str, Metric]) -> list[Line]:
    return [
        Line(
            metrics[found.metric].label,
            100 * found.difference,
            None if found.low is None else 100 * found.low,
            None if found.high is None else 100 * found.high,
            difference(metrics[found.metric], found),
            run.label,
        )
        for found in run.differences.values()
        if found.difference is not None and metrics[found.metric].unit == "percent"
    ]
