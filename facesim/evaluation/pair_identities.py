"""The identities on both sides of pairs."""

import numpy as np
import numpy.typing as npt

from facesim.errors import FacesimError
from facesim.evaluation.roc import BoolArray, IntArray


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
