"""Whom a system serves worse: its errors by attribute, at the one threshold that all meet."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facesim.arrays import FloatArray, Int64Array
from facesim.evaluation.attribute_values import AttributeValues
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.pair_identities import checked_identities
from facesim.evaluation.roc import checked_scores
from facesim.evaluation.slice_counts import (
    Rate,
    SliceCounts,
    resampled_counts,
    share_of,
    total_of,
)
from facesim.evaluation.slice_rate import SliceRate
from facesim.evaluation.slice_result import Slice, Slices
from facesim.evaluation.worst_gap import FEWEST_PAIRS, worst_gap

_RATES: tuple[Rate, ...] = ("accuracy", "fmr", "fnmr")


def measure_slices(
    attributes: Sequence[AttributeValues],
    rows: Int64Array,
    scores: npt.ArrayLike,
    same: npt.ArrayLike,
    first_identities: npt.ArrayLike,
    second_identities: npt.ArrayLike,
    *,
    threshold: float,
    seed: int,
    resamples: int,
    notes: Sequence[str] = (),
) -> Slices:
    """Measure P pairs by the values of attributes.

    A pair belongs to a value if both of its images have it, as in NIST's demographic reports: an
    error is one within a group. Impostors from two groups are told apart more easily, and to which
    of the two their errors would count nobody could say, so they are in no slice; nor is a genuine
    pair whose images differ, as one with glasses and one without.
    Grother, Ngan, Hanaoka, "Face recognition vendor test, part 3: demographic effects", 2019.

    Args:
        attributes: of the N images of a table.
        rows: int64 [P, 2], rows of the table.
        scores: float [P], higher is more alike.
        same: bool [P], True for genuine pairs.
        first_identities: int [P], the identity of each pair's first image.
        second_identities: int [P], the identity of its second image.
        threshold: accept a pair iff its score is at least this.
        seed: of the resamples.
        resamples: of all identities in the pairs, be they in a slice or not; 0 for no intervals.
        notes: why other attributes are not among these.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, or ``same`` contradicts the
            identities.
    """
    checked, genuine = checked_scores(scores, same)
    identities = checked_identities(first_identities, second_identities, genuine)
    bootstrap = IdentityBootstrap.of(*identities, genuine)
    counted = [
        SliceCounts.of(attribute, rows, genuine, checked >= threshold) for attribute in attributes
    ]
    resampled = resampled_counts(counted, bootstrap, seed, resamples)
    rates = {
        found.attribute.name: _rates(found, spread, bootstrap)
        for found, spread in zip(counted, resampled, strict=True)
    }
    return Slices(
        threshold=threshold,
        pairs=len(genuine),
        slices=tuple(_slice(name, found) for name, values in rates.items() for found in values),
        worst_gap=worst_gap(rates),
        notes=tuple(notes),
    )


def _rates(
    counted: SliceCounts, resampled: FloatArray, bootstrap: IdentityBootstrap
) -> list[dict[Rate, SliceRate]]:
    """Every rate of every value."""
    counts = counted.count(np.ones(len(bootstrap.first), np.int64))
    return [
        {
            rate: SliceRate(
                value,
                pairs=int(total_of(counts[number], rate)),
                share=float(share_of(counts[number], rate)),
                spread=share_of(resampled[:, number], rate),
                identities=counted.effective_identities(number, rate, bootstrap),
            )
            for rate in _RATES
        }
        for number, value in enumerate(counted.attribute.values)
    ]


def _slice(attribute: str, rates: dict[Rate, SliceRate]) -> Slice:
    genuine, impostor = rates["fnmr"].pairs, rates["fmr"].pairs
    return Slice(
        attribute=attribute,
        value=rates["accuracy"].value,
        pairs=rates["accuracy"].pairs,
        genuine=genuine,
        impostor=impostor,
        few_pairs=min(genuine, impostor) < FEWEST_PAIRS,
        **{rate: found.estimate() for rate, found in rates.items()},
    )
