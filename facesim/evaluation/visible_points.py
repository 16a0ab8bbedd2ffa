"""Curves thinned out to the points that a plot can show."""

import numpy as np

from facesim.arrays import FloatArray, Int64Array

_POINTS = 600


def visible_points(x: FloatArray, y: FloatArray) -> Int64Array:
    """Indices of at most 600 points, evenly spread along the line as it is drawn.

    Args:
        x: float64 [N], in the units of the axis (logarithms, for a logarithmic one).
        y: float64 [N].
    """
    if len(x) <= _POINTS:
        return np.arange(len(x))
    ranges = (max(float(np.ptp(axis)), 1e-12) for axis in (x, y))  # 0 of a straight line
    of_x, of_y = (np.abs(np.diff(axis)) / reach for axis, reach in zip((x, y), ranges, strict=True))
    steps = of_x + of_y
    along = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, along[-1], _POINTS)
    return np.unique(np.searchsorted(along, wanted).clip(0, len(x) - 1))
