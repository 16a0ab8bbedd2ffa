"""Contiguous folds of a list of pairs."""

import numpy as np

from facesim import Int64Array


def contiguous_folds(pairs: int, folds: int) -> Int64Array:
    """Folds int64 [P] of consecutive pairs, whose sizes differ by at most one."""
    sizes = [len(part) for part in np.array_split(np.empty(pairs), folds)]
    return np.repeat(np.arange(folds), sizes)
