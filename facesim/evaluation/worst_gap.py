"""The widest difference of an error rate between two values of one attribute."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from facesim.evaluation.slice_counts import Rate
from facesim.evaluation.slice_rate import SliceRate
from facesim.evaluation.slice_result import Gap

FEWEST_PAIRS = 30
"""A rate of fewer pairs is marked, and not compared: one error more or less would make the gap."""

_RATES: tuple[Literal["fmr", "fnmr"], ...] = ("fmr", "fnmr")


def worst_gap(attributes: Mapping[str, Sequence[Mapping[Rate, SliceRate]]]) -> Gap | None:
    """Of the gaps whose interval leaves 0 out the widest; if there are none, the widest of all.

    Rates of errors are compared and not accuracies, which depend on the share of genuine pairs.

    Args:
        attributes: the rates of each value, by the attribute's name.

    Returns:
        None if no attribute has two values with `FEWEST_PAIRS` of a kind.
    """
    gaps = [gap for name, values in attributes.items() for gap in _gaps(name, values)]
    if not gaps:
        return None
    worst = max(gaps, key=_severity)
    return worst.model_copy(update={"compared": len(gaps)})


def _gaps(attribute: str, values: Sequence[Mapping[Rate, SliceRate]]) -> Iterator[Gap]:
    for rate in _RATES:
        rates = [found[rate] for found in values if found[rate].pairs >= FEWEST_PAIRS]
        if len(rates) > 1:
            best, *_, worst = sorted(rates, key=lambda found: found.share)
            yield Gap(
                attribute=attribute,
                rate=rate,
                worst=worst.value,
                best=best.value,
                difference=worst.excess(best),
                compared=1,
            )


def _severity(gap: Gap) -> tuple[bool, float]:
    significant = gap.difference.low is not None and gap.difference.low > 0
    return significant, gap.difference.value or 0.0
