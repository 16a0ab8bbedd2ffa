"""Whom the system serves worse: errors by attribute at the one global threshold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from facesim.evaluation.result import Estimate
from facesim.report.figures.intervals import Line, interval_plot
from facesim.report.formatting import count, estimate, percent
from facesim.report.page import Figure, Section, Table, Text
from facesim.report.run_files import Slice, Slices

_DRAWN = 16
"""Values of attributes, of whole attributes only."""
_RATES = {"fnmr": "FNMR", "fmr": "FMR"}


@dataclass(frozen=True)
class Gap:
    """The widest difference of one error rate between two values of an attribute.

    Attributes:
        attribute: which.
        rate: ``fnmr`` or ``fmr``.
        best: the slice of the lowest rate.
        worst: the slice of the highest rate.
        size: the difference of both.
    """

    attribute: str
    rate: str
    best: Slice
    worst: Slice
    size: float


def slices_section(slices: Slices) -> Section:
    """The attributes of widest gap as a plot, all of them as a table."""
    gaps = _gaps(slices.slices)
    if not gaps:
        text = "The table that was evaluated has no attribute with two values or more."
        return Section("slices", "Slices", (Text(text, "note"),))
    drawn = _drawn(gaps, slices.slices)
    lines = [
        line
        for attribute in drawn
        for each in slices.slices
        if each.attribute == attribute
        for line in _lines(each)
    ]
    which = (
        "all attributes"
        if len(drawn) == len(gaps)
        else f"the {count(len(drawn), 'attribute')} with the widest gaps, the table all"
    )
    figure = Figure(
        "slice-errors",
        "Errors by attribute",
        f"{_told(gaps[0])} The plot shows {which}. Everyone meets the same threshold.",
        interval_plot(lines, "Share of wrong decisions"),
        _table(slices.slices),
    )
    return Section("slices", "Slices", (figure,))


def _drawn(gaps: Sequence[Gap], slices: Sequence[Slice]) -> list[str]:
    """The attributes of widest gap whose values fit the plot, one at least."""
    values = Counter(each.attribute for each in slices)
    needed = list(accumulate(values[gap.attribute] for gap in gaps))
    fit = sum(number <= _DRAWN for number in needed)
    return [gap.attribute for gap in gaps[: max(fit, 1)]]


def _gaps(slices: Sequence[Slice]) -> list[Gap]:
    """The wider of both rates' gaps of each attribute, the widest attribute first."""
    found = []
    for attribute in dict.fromkeys(each.attribute for each in slices):
        own = [each for each in slices if each.attribute == attribute]
        gaps = [gap for rate in _RATES if (gap := _gap(attribute, rate, own)) is not None]
        found += [max(gaps, key=lambda gap: gap.size)] if gaps else []
    return sorted(found, key=lambda gap: -gap.size)


def _gap(attribute: str, rate: str, own: Sequence[Slice]) -> Gap | None:
    measured = [(value, each) for each in own if (value := _rate(each, rate).value) is not None]
    if len(measured) < 2:
        return None
    measured.sort(key=lambda pair: pair[0])
    (lowest, best), (highest, worst) = measured[0], measured[-1]
    return Gap(attribute, rate, best, worst, highest - lowest)


def _told(gap: Gap) -> str:
    worst, best = (_rate(each, gap.rate) for each in (gap.worst, gap.best))
    return (
        f"The widest gap: where {gap.attribute} is {gap.worst.value}, the {_RATES[gap.rate]} is "
        f"{estimate('fnmr', worst)}, where it is {gap.best.value}, {estimate('fnmr', best)}: "
        f"a gap of {percent(gap.size)}."
    )


def _lines(each: Slice) -> list[Line]:
    name = f"{each.attribute}: {each.value}"
    rates = ((label, _rate(each, rate)) for rate, label in _RATES.items())
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
                f"{each.pairs:,}",
                estimate("accuracy", each.accuracy),
                estimate("far", each.fmr),
                estimate("fnmr", each.fnmr),
            )
            for each in slices
        ),
    )


def _rate(each: Slice, rate: str) -> Estimate:
    found: Estimate = getattr(each, rate)
    return found
