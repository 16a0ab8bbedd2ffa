"""Error rates by attribute at the global threshold (demographic differentials)."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from facesim.errors import count
from facesim.evaluation.slices import FEWEST_PAIRS, Slice, Slices
from facesim.page import Block, Plot, Section, Table, Text
from facesim.report.formatting import RATE, estimate, gap_in_words
from facesim.report.plots.intervals import Line, interval_panel

_DRAWN = 16
"""Values of attributes in the plot, of whole attributes only."""


def slices_section(slices: Slices) -> Section:
    """The widest gap in words, the attributes with the widest gaps as a plot, all as a table."""
    blocks: list[Block] = [Text(note, "note") for note in slices.notes]
    attributes = _by_gap(slices.slices)
    if attributes:
        blocks.insert(0, _plot(slices, attributes))
    return Section("slices", "Slices", tuple(blocks))


def _plot(slices: Slices, attributes: Sequence[str]) -> Plot:
    drawn = _fitting(attributes, slices.slices)
    lines = [
        line
        for attribute in drawn
        for each in slices.slices
        if each.attribute == attribute
        for line in _lines(each)
    ]
    told = (
        f"{gap_in_words(slices.worst_gap)} A pair counts for a value if both of its images have "
        "it; the threshold is the same for all. Lines are 95% intervals, each by itself."
    )
    if len(drawn) < len(attributes):
        told += f" The plot shows the {count(len(drawn), 'attribute')} with the widest gaps."
    return Plot(
        "slice-errors",
        "Errors by attribute",
        told,
        (interval_panel(lines, "Error rate"),),
        _table(slices.slices),
    )


def _by_gap(slices: Sequence[Slice]) -> list[str]:
    """The attributes that can be drawn, that of the widest gap first."""
    lines: dict[str, list[Line]] = {each.attribute: [] for each in slices}
    for each in slices:
        lines[each.attribute] += _lines(each)
    drawable = [attribute for attribute, own in lines.items() if own]
    return sorted(drawable, key=lambda attribute: -_widest_gap(lines[attribute]))


def _widest_gap(lines: Sequence[Line]) -> float:
    """Of one attribute and either rate."""
    rates = [[line.value for line in lines if line.series == rate] for rate in ("FMR", "FNMR")]
    return max(max(values) - min(values) for values in rates if values)


def _fitting(attributes: Sequence[str], slices: Sequence[Slice]) -> Sequence[str]:
    """The first attributes whose values fit the plot, one at least."""
    values = Counter(each.attribute for each in slices)
    needed = accumulate(values[attribute] for attribute in attributes)
    return attributes[: max(sum(number <= _DRAWN for number in needed), 1)]


def _lines(each: Slice) -> list[Line]:
    """The rates of a slice that have enough pairs."""
    name = f"{each.attribute}: {each.value}"
    rates = (("FMR", each.fmr, each.impostor), ("FNMR", each.fnmr, each.genuine))
    return [
        Line(name, found.value, found.low, found.high, estimate(RATE, found), label)
        for label, found, pairs in rates
        if found.value is not None and pairs >= FEWEST_PAIRS
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
                estimate(RATE, each.accuracy),
                estimate(RATE, each.fmr),
                estimate(RATE, each.fnmr),
            )
            for each in slices
        ),
    )
