"""Dot plot of values with intervals, one per line: baselines, slices, differences of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from facesim.interfaces.metric import Metric
from facesim.page import Axis, Panel, Plot, Series, Table
from facesim.report.formatting import difference
from facesim.report.plots.layout import reference_line
from facesim.runs.comparison import ComparedRun, Comparison


@dataclass(frozen=True)
class Line:
    """One value.

    Attributes:
        name: at the left.
        value: where it is drawn.
        low: lower end of its interval, if there is one.
        high: upper end.
        text: what pointing at it says.
        series: values of one series share colour and marker.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    text: str
    series: str = ""


_ROW, _BESIDE = 28, 16
"""Height of a row with one series, and what each further one adds, in pixels."""


def interval_panel(
    lines: Sequence[Line],
    x: str,
    *,
    unit: Literal["number", "percent", "points"] = "percent",
    reference: float | None = None,
) -> Panel:
    """Markers with horizontal intervals, from top to bottom in the given order.

    Args:
        lines: what to draw.
        x: the axis's title.
        unit: of the values.
        reference: where to draw a vertical line.
    """
    names = tuple(dict.fromkeys(line.name for line in lines))
    all_series = tuple(dict.fromkeys(line.series for line in lines))
    drawn = [
        _markers([line for line in lines if line.series == name], names, all_series)
        for name in all_series
    ]
    if reference is not None:
        drawn.insert(0, reference_line((reference,) * 2, (-0.6, len(names) - 0.4)))
    height = max(len(names) * (_ROW + _BESIDE * (len(all_series) - 1)), 3 * _ROW)
    return Panel(Axis(x, unit), Axis("", names=names), tuple(drawn), height)


def _markers(lines: Sequence[Line], names: tuple[str, ...], all_series: tuple[str, ...]) -> Series:
    """One series; those of one row stand side by side in it."""
    name = lines[0].series
    number = all_series.index(name)
    beside = 0.8 * ((number + 0.5) / len(all_series) - 0.5)
    return Series(
        name,
        tuple(line.value for line in lines),
        tuple(names.index(line.name) + beside for line in lines),
        number,
        ("points",),
        tuple(line.low for line in lines),
        tuple(line.high for line in lines),
        tips=tuple(f"{line.name} · {line.text}" for line in lines),
    )


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
        (interval_panel(lines, "Percentage points", unit="points", reference=0.0),),
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
