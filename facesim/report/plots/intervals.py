"""Dot plot of values with intervals, one per line: baselines, slices, differences of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facesim.interfaces.metric import Metric
from facesim.page import Plot, Table
from facesim.report.formatting import difference
from facesim.report.plots.layout import MUTED, SERIES, SYMBOLS, literal, new_plot, style_axes
from facesim.runs.comparison import ComparedRun, Comparison


@dataclass(frozen=True)
class Line:
    """One value.

    Attributes:
        name: at the left.
        value: where it is drawn.
        low: lower end of its interval, if there is one.
        high: upper end.
        text: what hovering shows.
        series: values of one series share colour and symbol.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    text: str
    series: str = ""


def interval_plot(
    lines: Sequence[Line], x: str, *, tickformat: str = ".0%", reference: float | None = None
) -> Any:
    """Markers with horizontal intervals, from top to bottom in the given order.

    Args:
        lines: what to draw.
        x: the axis's title.
        tickformat: of the axis.
        reference: where to draw a vertical line.
    """
    names = list(dict.fromkeys(line.name for line in lines))
    series = list(dict.fromkeys(line.series for line in lines))
    plot = new_plot(height=110 + 26 * max(len(lines), 3))
    for number, name in enumerate(series):
        plot.add_scatter(**_markers([line for line in lines if line.series == name], name, number))
    plot.update_layout(showlegend=any(series), scattermode="group")
    style_axes(plot, x, "")
    plot.update_xaxes(tickformat=tickformat, range=_range(lines))
    plot.update_yaxes(
        categoryorder="array",
        categoryarray=[literal(name) for name in reversed(names)],
        type="category",
        range=[-0.6, len(names) - 0.4],
    )
    if reference is not None:
        plot.add_vline(reference, line={"color": MUTED, "width": 1, "dash": "dot"})
    return plot


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    """All intervals, with a little room."""
    lowest = min(line.value if line.low is None else line.low for line in lines)
    highest = max(line.value if line.high is None else line.high for line in lines)
    room = 0.05 * (highest - lowest) or 0.05
    return lowest - room, highest + room


def _markers(lines: Sequence[Line], series: str, number: int) -> dict[str, Any]:
    ends = [(line.low, line.high) for line in lines]
    colour = SERIES[number % 6]
    return {
        "x": [line.value for line in lines],
        "y": [literal(line.name) for line in lines],
        "orientation": "h",
        "name": literal(series),
        "mode": "markers",
        "marker": {"size": 10, "symbol": SYMBOLS[number % 6], "color": colour},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [
                0 if high is None else high - line.value
                for line, (_, high) in zip(lines, ends, strict=True)
            ],
            "arrayminus": [
                0 if low is None else line.value - low
                for line, (low, _) in zip(lines, ends, strict=True)
            ],
            "color": colour,
            "thickness": 1.5,
            "width": 5,
        },
        "text": [literal(line.text) for line in lines],
        "hovertemplate": f"<b>%{{y}}</b> {literal(series)}<br>%{{text}}<extra></extra>",
    }


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
