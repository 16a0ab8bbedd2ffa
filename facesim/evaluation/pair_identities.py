"""The identities on both sides of pairs."""

import numpy as np
import numpy.typing as npt

from facesim.errors import FacesimError
from facesim.evaluation.roc import BoolArray, IntArray
from facesim.interfaces import Int64Array, PairSet


def checked_identities(
    first: npt.ArrayLike, second: npt.ArrayLike, same: BoolArray
) -> tuple[IntArray, IntArray]:
    """The identities of both sides of P pairs as int64 [P].

    Raises:
        FacesimError: lengths differ, or ``same`` contradicts the identities.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if not first.shape == second.shape == same.shape:
        raise FacesimError(
            f"identities of shapes {first.shape} and {second.shape} for {same.size} pairs: "
            "each needs one entry per pair"
        )
    wrong = np.flatnonzero((first == second) != same)
    if wrong.size:
        raise FacesimError(
            f"{wrong.size} pairs contradict their identities, the first is pair {wrong[0]}: "
            f"identities {first[wrong[0]]} and {second[wrong[0]]}, "
            f"same = {int(same[wrong[0]])}; same is 1 for one identity and 0 for two"
        )
    return first, second


def listed_identities(pairs: PairSet, identities: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The identities of both sides of P pairs, int64 [P] each, as the pairs themselves have them.

    Where a list contradicts the table, and the linter's rule about that is a warning, the list
    counts: the second side of a pair that it calls genuine takes the first one's identity, and
    that of one that it calls impostor becomes an identity of its own.

    Args:
        pairs: of a table.
        identities: int64 [N], of every row of the table.
    """
    first, second = identities[pairs.rows].T.copy()
    agree = (first == second) == pairs.same
    wrongly_told_apart, wrongly_equated = ~agree & pairs.same, ~agree & ~pairs.same
    second[wrongly_told_apart] = first[wrongly_told_apart]
    unheard_of = identities.max(initial=-1) + 1
    second[wrongly_equated] = unheard_of + np.arange(np.count_nonzero(wrongly_equated))
    return first, second
