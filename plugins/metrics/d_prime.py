"""d': the separation of genuine and impostor scores."""

import math

import numpy as np
import numpy.typing as npt

from facesim import FloatArray, Int64Array, KindCounts, Metric, Roc, RocBlock, metrics


@metrics("d_prime")
class DPrime(Metric):
    """Difference of the mean scores in units of their pooled standard deviation.

    ``(mean_g - mean_i) / sqrt((var_g + var_i) / 2)``, with variances of the pairs as they are
    (not of a population); negative where impostors score higher. Daugman, "Biometric decision
    landscapes", 2000.
    """

    label = "d-prime"
    unit = "number"
    range = (-math.inf, math.inf)
    standard = True

    def value(self, roc: Roc, threshold: float) -> float:
        """``nan`` unless there are pairs of both kinds and the scores of one kind vary."""
        if not (roc.genuine and roc.impostor):
            return math.nan
        scores = _scaled(roc.thresholds[1:])
        genuine_mean, genuine_variance = _moments(scores, np.diff(roc.true_accepts))
        impostor_mean, impostor_variance = _moments(scores, np.diff(roc.false_accepts))
        spread = math.sqrt((genuine_variance + impostor_variance) / 2.0)
        return (genuine_mean - impostor_mean) / spread if spread else math.nan

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve, with the moments of each kind once per distinct weight."""
        if len(curves.thresholds) == 1:
            return np.full(len(curves), np.nan)
        scores = _scaled(curves.thresholds[1:])
        genuine_mean, genuine_variance = _each_moments(scores, curves.genuine)
        impostor_mean, impostor_variance = _each_moments(scores, curves.impostor)
        spread = np.sqrt((genuine_variance + impostor_variance) / 2.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (genuine_mean - impostor_mean) / spread
        return np.where(curves.has_both & (spread > 0), values, np.nan)

    def undefined_reason(self, roc: Roc) -> str | None:
        """It needs every single score, and scores that vary."""
        if not roc.has_every_score:
            return "the scores of so many pairs were counted, not kept"
        if roc.missing is None and math.isnan(self.value(roc, math.nan)):
            return "the scores of neither kind of pair vary"
        return roc.missing


def _moments(scores: npt.NDArray[np.float64], counts: Int64Array) -> tuple[float, float]:
    weights = counts / counts.sum()
    mean = float(scores @ weights)
    return mean, float(np.square(scores - mean) @ weights)


def _each_moments(scores: FloatArray, kind: KindCounts) -> tuple[FloatArray, FloatArray]:
    """`_moments` of each curve, float64 [B] twice; ``nan`` of no pairs."""
    means, variances = np.empty((2, len(kind.accepted)))
    for some, counts in kind.at_scores():
        with np.errstate(invalid="ignore"):
            weights = counts / kind.accepted[some, -1:].astype(np.float64)
        # Products of stacked rows, which round as that of a single row does.
        mean = weights[:, None, :] @ scores[:, None]
        squares = scores - mean[:, 0]
        np.square(squares, out=squares)
        means[some] = mean[:, 0, 0]
        variances[some] = (squares[:, None, :] @ weights[:, :, None])[:, 0, 0]
    return means[kind.rows], variances[kind.rows]


def _scaled(scores: FloatArray) -> FloatArray:
    """In a unit that is a power of two, which rounds nothing, no square overflows or vanishes."""
    exponent = math.frexp(float(np.abs(scores).max()))[1]
    return np.ldexp(scores, -exponent)
