"""Expected calibration error."""

import numpy as np

from facesim.arrays import BoolArray, FloatArray

BINS = 15


def expected_calibration_error(probabilities: FloatArray, same: BoolArray) -> float:
    """Expected calibration error: mean |predicted probability - genuine share| over bins.

    The `BINS` bins are of equal width and weighted by their pairs. ``nan`` of no pairs.
    Guo et al., "On calibration of modern neural networks", 2017.

    Args:
        probabilities: float [P] in [0, 1], of being genuine.
        same: bool [P].
    """
    if not len(probabilities):
        return float("nan")
    bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    excess = np.bincount(bins, weights=probabilities - same, minlength=BINS)
    return float(np.abs(excess).sum() / len(probabilities))
