"""How far stated probabilities are from what happens."""

import numpy as np

from facesim.arrays import BoolArray, FloatArray

BINS = 15


def expected_calibration_error(probabilities: FloatArray, same: BoolArray) -> float:
    """Mean distance of stated probability and genuine share, over bins of equal width.

    Each of `BINS` bins weighs as many pairs as it holds. ``nan`` of no pairs.
    Guo et al., "On calibration of modern neural networks", 2017.

    Args:
        probabilities: float [P] within 0 and 1, that a pair is genuine.
        same: bool [P].
    """
    if not len(probabilities):
        return float("nan")
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    excess = np.bincount(bins, weights=probabilities - same, minlength=BINS)
    return float(np.abs(excess).sum() / len(probabilities))
