"""The errors that lie farthest from the threshold."""

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array


def confident_errors(
    scores: FloatArray, same: BoolArray, threshold: float
) -> tuple[Int64Array, Int64Array]:
    """Positions of false rejects and of false accepts, the most confident first.

    Args:
        scores: float64 [P].
        same: bool [P], True for genuine pairs.
        threshold: pairs at or above it are accepted.
    """
    rejects = np.flatnonzero(same & (scores < threshold))
    accepts = np.flatnonzero(~same & (scores >= threshold))
    return (
        rejects[np.argsort(scores[rejects], kind="stable")],
        accepts[np.argsort(-scores[accepts], kind="stable")],
    )
