"""Whom the system serves worse: errors by attribute at the one global threshold."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from facesim.evaluation.result import Estimate
from facesim.evaluation.slice_result import Gap, Slice, Slices
from facesim.report.figures.intervals import Line, interval_plot
from facesim.report.formatting import count, estimate
from facesim.report.page import Block, Figure, Section, Table, Text

_DRAWN = 16
"""Values of attributes in the plot, of whole attributes only."""

_RATES: tuple[Literal["fmr", "fnmr"], ...] = ("fmr", "fnmr")


def slices_section(slices: Slices) -> Section:
    """The worst gap in words, the attributes of widest gap as a plot, all of them as a table."""
    blocks: list[Block] = [Text(note, "note") for note in slices.notes]
    attributes = _by_gap(slices.slices)
    if attributes:
        blocks.insert(0, _figure(slices, attributes))
    return Section("slices", "Slices", tuple(blocks))


def _figure(slices: Slices, attributes: Sequence[str]) -> Figure:
    drawn = _fitting(attributes, slices.slices)
    lines = [
        line
        for attribute in drawn
        for each in slices.slices
        if each.attribute == attribute
        for line in _lines(each)
    ]
    told = (
        f"{_told(slices.worst_gap)} A pair counts for a value that both of its images have; the "
        "threshold is the same for everyone."
    )
    if len(drawn) < len(attributes):
        told += f" The plot shows the {count(len(drawn), 'attribute')} with the widest gaps."
    return Figure(
        "slice-errors",
        "Errors by attribute",
        told,
        interval_plot(lines, "Share of wrong decisions, with 95% intervals"),
        _table(slices.slices),
    )


def _told(gap: Gap | None) -> str:
    if gap is None:
        return "No attribute has two values with enough pairs to be compared."
    beyond_luck = gap.difference.low is not None and gap.difference.low > 0
    told = (
        f"The widest gap of {gap.compared:,}: the {gap.rate.upper()} is higher where "
        f"{gap.attribute} is {gap.worst} than where it is {gap.best}, by "
        f"{estimate('far', gap.difference)}."
    )
    return told if beyond_luck else f"{told} No gap is shown to be more than luck."


def _by_gap(slices: Sequence[Slice]) -> list[str]:
    """The attributes that can be drawn, that of the widest gap first."""
    drawable = [each for each in slices if _lines(each)]
    gaps = {
        attribute: _widest_gap([each for each in drawable if each.attribute == attribute])
        for attribute in dict.fromkeys(each.attribute for each in drawable)
    }
    return sorted(gaps, key=lambda attribute: -gaps[attribute])


def _widest_gap(slices: Sequence[Slice]) -> float:
    """Of one attribute and both rates."""
    rates = ([_rate(each, rate).value for each in slices] for rate in _RATES)
    measured = [[value for value in values if value is not None] for values in rates]
    return max((max(values) - min(values) for values in measured if values), default=0.0)


def _fitting(attributes: Sequence[str], slices: Sequence[Slice]) -> Sequence[str]:
    """The first attributes whose values fit the plot, one at least."""
    values = Counter(each.attribute for each in slices)
    needed = accumulate(values[attribute] for attribute in attributes)
    return attributes[: max(sum(number <= _DRAWN for number in needed), 1)]


def _lines(each: Slice) -> list[Line]:
    """Both rates of a slice that has pairs enough."""
    if each.few_pairs:
        return []
    name = f"{each.attribute}: {each.value}"
    rates = ((rate.upper(), _rate(each, rate)) for rate in _RATES)
    return [
        Line(name, found.value, found.low, found.high, estimate("far", found), label)
        for label, found in rates
        if found.value is not None
    ]


def _table(slices: Sequence[Slice]) -> Table:
    return Table(
        "Errors by attribute, with 95% intervals",
        ("Attribute", "Value", "Pairs", "Accuracy", "FMR", "FNMR"),
        tuple(
            (
                each.attribute,
                each.value,
                f"{each.pairs:,}{', too few' if each.few_pairs else ''}",
                estimate("accuracy", each.accuracy),
                estimate("far", each.fmr),
                estimate("fnmr", each.fnmr),
            )
            for each in slices
        ),
    )


def _rate(each: Slice, rate: Literal["fmr", "fnmr"]) -> Estimate:
    return each.fmr if rate == "fmr" else each.fnmr
