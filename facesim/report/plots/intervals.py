"""Dot plot of values with intervals, one per line: baselines, slices, differences of runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from facesim.interfaces.metric import Metric
from facesim.page import Axis, Panel, Plot, Series, Table
from facesim.report.formatting import difference
from facesim.report.plots.layout import reference_line
from facesim.report.plots.svg import STYLES
from facesim.runs.comparison import ComparedGroup, Comparison


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


MOST_DRAWN = STYLES - 1
"""Groups beside the reference that are told apart in a plot."""

_ROW, _BESIDE = 28, 16
"""Height of a row with one series, and what each further one adds, in pixels."""


def interval_panel(
    lines: Sequence[Line],
    x: str,
    *,
    unit: Literal["number", "percent", "points"] = "percent",
    reference: float | None = None,
    first_style: int = 0,
) -> Panel:
    """Markers with horizontal intervals, from top to bottom in the given order.

    Args:
        lines: what to draw.
        x: the axis's title.
        unit: of the values.
        reference: where to draw a vertical line.
        first_style: of the first series.
    """
    names = tuple(dict.fromkeys(line.name for line in lines))
    all_series = tuple(dict.fromkeys(line.series for line in lines))
    drawn = [
        _markers([line for line in lines if line.series == name], names, all_series, first_style)
        for name in all_series
    ]
    if reference is not None:
        drawn.insert(0, reference_line((reference,) * 2, (-0.6, len(names) - 0.4)))
    height = max(len(names) * (_ROW + _BESIDE * (len(all_series) - 1)), 3 * _ROW)
    return Panel(Axis(x, unit), Axis("", names=names), tuple(drawn), height)


def _markers(
    lines: Sequence[Line], names: tuple[str, ...], all_series: tuple[str, ...], first_style: int
) -> Series:
    """One series; those of one row stand side by side in it."""
    name = lines[0].series
    number = all_series.index(name)
    beside = 0.8 * ((number + 0.5) / len(all_series) - 0.5)
    return Series(
        name,
        tuple(line.value for line in lines),
        tuple(names.index(line.name) + beside for line in lines),
        first_style + number,
        ("points",),
        tuple(line.low for line in lines),
        tuple(line.high for line in lines),
        tips=tuple(f"{line.name} · {line.text}" for line in lines),
    )


def differences_plot(comparison: Comparison, metrics: Sequence[Metric]) -> Plot | None:
    """The differences of those metrics that are rates; None where none could be compared."""
    drawn = comparison.groups[1 : MOST_DRAWN + 1]
    lines = [line for metric in metrics for group in drawn for line in _lines(group, metric)]
    if not lines:
        return None
    named = {line.name for line in lines}
    lower = [it.label for it in metrics if it.label in named and not it.higher_is_better]
    direction = f" Lower is better for: {', '.join(lower)}." if lower else ""
    reference = comparison.reference.label
    return Plot(
        "differences",
        f"Differences to {reference}",
        f"Each minus {reference}, with 95% intervals. An interval that holds 0 shows no "
        f"difference.{direction}{not_drawn(comparison)}",
        (interval_panel(lines, "Percentage points", unit="points", reference=0.0, first_style=1),),
        Table(
            f"Each minus {reference}",
            ("Runs", "Metric", "Difference"),
            tuple((line.series, line.name, line.text) for line in lines),
            numeric=False,
        ),
    )


def not_drawn(comparison: Comparison) -> str:
    """The sentence on groups beyond those that can be told apart; empty where all are drawn."""
    more = len(comparison.groups) - MOST_DRAWN - 1
    return f" The first {MOST_DRAWN + 1} are drawn, {more:,} more are in the tables." * (more > 0)


def _lines(group: ComparedGroup, metric: Metric) -> Iterator[Line]:
    found = group.differences[metric.name]
    if found.difference is None or metric.unit != "percent":
        return
    yield Line(
        metric.label,
        100 * found.difference,
        None if found.low is None else 100 * found.low,
        None if found.high is None else 100 * found.high,
        difference(metric, found),
        group.label,
    )
