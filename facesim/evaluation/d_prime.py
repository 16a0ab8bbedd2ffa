"""d': how far genuine and impostor scores lie apart."""

import math

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.evaluation.roc import Roc


def d_prime(roc: Roc) -> float:
    """Difference of the mean scores in units of their pooled standard deviation.

    ``(mean_g - mean_i) / sqrt((var_g + var_i) / 2)``, with variances of the pairs as they are
    (not of a population); negative where impostors score higher. ``nan`` unless there are pairs
    of both kinds and the scores of one kind vary at least. Daugman, "Biometric decision
    landscapes", 2000.
    """
    if not (roc.genuine and roc.impostor):
        return math.nan
    scores = roc.thresholds[1:]
    genuine_mean, genuine_variance = _moments(scores, np.diff(roc.true_accepts))
    impostor_mean, impostor_variance = _moments(scores, np.diff(roc.false_accepts))
    spread = math.sqrt((genuine_variance + impostor_variance) / 2.0)
    return (genuine_mean - impostor_mean) / spread if spread else math.nan


def _moments(scores: FloatArray, counts: Int64Array) -> tuple[float, float]:
    weights = counts / counts.sum()
    mean = float(scores @ weights)
    return mean, float(np.square(scores - mean) @ weights)
