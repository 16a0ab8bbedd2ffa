"""Folds that a list of pairs does not name: parts of it, one after the other."""

import numpy as np

from facesim.arrays import Int64Array


def contiguous_folds(pairs: int, folds: int) -> Int64Array:
    """Cut pairs, in their order, into parts whose sizes differ by one at most; int64 [P]."""
    sizes = [len(part) for part in np.array_split(np.empty(pairs), folds)]
    return np.repeat(np.arange(folds), sizes)
