"""The identities on both sides of pairs."""

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray, Int64Array
from facesim.errors import FacesimError
from facesim.interfaces import PairSet


def checked_identities(
    first: npt.ArrayLike, second: npt.ArrayLike, same: BoolArray
) -> tuple[Int64Array, Int64Array]:
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


def effective_pair_identities(
    pairs: PairSet, identities: Int64Array
) -> tuple[Int64Array, Int64Array]:
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
    false_impostor, false_genuine = ~agree & pairs.same, ~agree & ~pairs.same
    second[false_impostor] = first[false_impostor]
    new_identity = identities.max(initial=-1) + 1
    second[false_genuine] = new_identity + np.arange(np.count_nonzero(false_genuine))
    return first, second
