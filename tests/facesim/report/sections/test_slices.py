"""Errors by attribute on the page."""

import pytest

from facesim.evaluation.slices import SIMULTANEOUS, Gap, Slice, Slices
from facesim.interfaces.result import Estimate
from facesim.page import Plot, Text
from facesim.report.formatting import gap_in_words
from facesim.report.sections.slices import slices_section


def slice_of(attribute: str, value: str, fmr: float, impostor: int = 100) -> Slice:
    none = Estimate(value=None, reason="no pair")
    return Slice(
        attribute=attribute,
        value=value,
        pairs=impostor,
        genuine=0,
        impostor=impostor,
        accuracy=Estimate(value=1 - fmr),
        fmr=Estimate(value=fmr, low=fmr / 2, high=2 * fmr),
        fnmr=none,
        few_pairs=impostor < 30,
    )


def plot_of(slices: Slices) -> Plot:
    plot = slices_section(slices).blocks[0]
    assert isinstance(plot, Plot)
    return plot


def gap(low: float, interval: str = SIMULTANEOUS) -> Gap:
    return Gap(
        attribute="glasses",
        rate="fmr",
        worst="yes",
        best="no",
        difference=Estimate(value=0.1, low=low, high=0.2, interval=interval),
        compared=3,
    )


def test_attributes_are_drawn_widest_gap_first_and_rates_of_few_pairs_are_not() -> None:
    slices = (
        slice_of("hair", "black", 0.10),
        slice_of("hair", "grey", 0.15),
        slice_of("glasses", "yes", 0.30),
        slice_of("glasses", "no", 0.05),
        slice_of("glasses", "sun", 0.90, impostor=29),
    )
    plot = plot_of(Slices(threshold=0.5, pairs=400, slices=slices, worst_gap=gap(0.05)))
    (panel,) = plot.panels
    assert panel.y.names == ("glasses: yes", "glasses: no", "hair: black", "hair: grey")
    assert list(panel.series[0].y) == [0, 1, 2, 3]
    assert [row[2] for row in plot.numbers.rows] == ["100"] * 4 + ["29, too few"]


def test_only_whole_attributes_are_drawn_and_the_others_are_counted() -> None:
    many = tuple(slice_of("hair", str(value), value / 100) for value in range(15))
    few = (slice_of("glasses", "yes", 0.01), slice_of("glasses", "no", 0.02))
    plot = plot_of(Slices(threshold=0.5, pairs=400, slices=(*few, *many), worst_gap=None))
    assert len(plot.panels[0].y.names) == 15
    assert "The plot shows the 1 attribute with the widest gaps." in plot.description


def test_the_widest_gap_is_told_with_what_it_was_chosen_from() -> None:
    slices = (slice_of("glasses", "yes", 0.3), slice_of("glasses", "no", 0.2))
    shown = plot_of(Slices(threshold=0.5, pairs=400, slices=slices, worst_gap=gap(0.05)))
    assert shown.description.startswith(
        "The widest of 3 gaps: the FMR is higher for glasses yes than for glasses no, by +10.00 "
        "points (+5.00 to +20.00). The interval allows for the choice of the widest, the gap "
        "itself does not: on other people it is smaller on average."
    )
    luck = plot_of(Slices(threshold=0.5, pairs=400, slices=slices, worst_gap=gap(-0.05)))
    assert "No gap has an interval that excludes 0." in luck.description


def test_a_gap_of_an_earlier_version_is_called_uncorrected() -> None:
    earlier = gap(0.05, "identity_bootstrap_95")
    assert gap_in_words(earlier).endswith("is not corrected for the choice among 3.")


def test_notes_stand_alone_where_nothing_can_be_drawn() -> None:
    slices = Slices(
        threshold=0.5,
        pairs=400,
        slices=(slice_of("hair", "black", 0.5, impostor=3),),
        worst_gap=None,
        notes=("hair has too few pairs",),
    )
    assert slices_section(slices).blocks == (Text("hair has too few pairs", "note"),)


def both(attribute: str, value: str, fmr: float, fnmr: float, **changed: object) -> Slice:
    rates = {"fnmr": Estimate(value=fnmr, low=fnmr / 2, high=2 * fnmr), "genuine": 50}
    return slice_of(attribute, value, fmr).model_copy(update={**rates, **changed})


def test_both_rates_are_drawn_and_the_wider_of_their_gaps_orders_the_attributes() -> None:
    slices = (
        both("hair", "black", 0.25, 0.125),
        both("hair", "grey", 0.25, 0.1875),
        both("glasses", "yes", 0.25, 0.125),
        both("glasses", "no", 0.25, 0.25, genuine=29),
        both("glasses", "sun", 0.25, 0.25, genuine=30),
    )
    found = Slices(threshold=0.5, pairs=400, slices=slices, worst_gap=None)
    section = slices_section(found)
    assert (section.name, section.title) == ("slices", "Slices")
    (panel,) = plot_of(found).panels
    fmr, fnmr = panel.series
    assert (fmr.name, fnmr.name) == ("FMR", "FNMR")
    names = ("glasses: yes", "glasses: no", "glasses: sun", "hair: black", "hair: grey")
    assert panel.y.names == names
    assert fmr.y == pytest.approx([row - 0.2 for row in range(5)])
    assert fnmr.y == pytest.approx([row + 0.2 for row in (0, 2, 3, 4)])
    assert fnmr.tips[0] == "glasses: yes · 12.50% (6.25% to 25.00%)"
    assert plot_of(found).numbers.rows[0] == (
        *("hair", "black", "100", "75.00%"),
        *("25.00% (12.50% to 50.00%)", "12.50% (6.25% to 25.00%)"),
    )
    assert plot_of(found).description.startswith(
        "No attribute has two values with enough pairs to compare."
    )
    assert "The plot shows" not in plot_of(found).description


def test_sixteen_values_fit_and_an_attribute_of_more_is_drawn_alone() -> None:
    """That of the widest gap is drawn however many values it has."""

    def drawn(*sizes: int) -> int:
        slices = tuple(
            slice_of(f"attribute {place}", str(value), value / (place + 1) / 100)
            for place, size in enumerate(sizes)
            for value in range(size)
        )
        plot = plot_of(Slices(threshold=0.5, pairs=400, slices=slices, worst_gap=None))
        return len(plot.panels[0].y.names)

    assert drawn(14, 2) == 16
    assert drawn(14, 3) == 14
    assert drawn(20, 2) == 20


def test_a_gap_without_an_interval_claims_nothing() -> None:
    found = gap(0.05)
    alone = found.model_copy(update={"difference": Estimate(value=0.1)})
    told = "The widest of 3 gaps: the FMR is higher for glasses yes than for glasses no, by +10.00 "
    assert gap_in_words(alone) == f"{told}points."
    at_zero = found.model_copy(
        update={"difference": found.difference.model_copy(update={"low": 0.0})}
    )
    assert gap_in_words(at_zero).endswith(" No gap has an interval that excludes 0.")
