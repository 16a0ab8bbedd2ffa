"""Probabilities of scores: Platt scaling and expected calibration error."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import FiniteFloat

from facesim.arrays import BoolArray, FloatArray
from facesim.json_files import JsonModel

_MOST_STEPS = 100
_SMALL_ENOUGH_STEP = 1e-12


@dataclass(frozen=True)
class Sigmoid:
    """``probability = 1 / (1 + exp(-(slope * score + offset)))``.

    Attributes:
        slope: positive where genuine pairs score higher.
        offset: the log-odds at score 0.
    """

    slope: float
    offset: float

    def probability(self, scores: FloatArray) -> FloatArray:
        """Probabilities float64 [P] of scores float [P]."""
        return _logistic(self.slope * scores + self.offset)


class ProbabilityMap(JsonModel):
    """From a score to the probability of a genuine pair, by Platt scaling.

    Attributes:
        slope: of the log-odds per unit of score.
        offset: the log-odds at score 0.
        genuine_share: of the pairs of the fit; the probabilities assume this prevalence.
        calibration_error: expected calibration error on the pairs of the fit, which is optimistic.
    """

    slope: FiniteFloat
    offset: FiniteFloat
    genuine_share: FiniteFloat
    calibration_error: FiniteFloat

    def probability(self, scores: npt.ArrayLike) -> FloatArray:
        """Probabilities float64 [P] of scores float [P]."""
        return Sigmoid(self.slope, self.offset).probability(np.asarray(scores, np.float64))


def fit_sigmoid(scores: FloatArray, same: BoolArray) -> Sigmoid:
    """The sigmoid of highest likelihood, with Platt's softened targets.

    The targets stand for one more pair of each kind with either outcome, so that the fit exists
    for separated scores, too. Platt, "Probabilistic outputs for support vector machines", 1999;
    Newton's method with backtracking as in Lin, Lin and Weng, "A note on Platt's probabilistic
    outputs for support vector machines", 2007.

    Args:
        scores: float64 [P], not all equal.
        same: bool [P], of both kinds.
    """
    genuine, impostor = int(same.sum()), int((~same).sum())
    target = np.where(same, (genuine + 1) / (genuine + 2), 1 / (impostor + 2))
    # Standardised scores keep Newton's equations well conditioned whatever the score's unit. The
    # unit is a power of two first, which rounds nothing: squares of scores may overflow or vanish.
    exponent = math.frexp(float(np.abs(scores).max()))[1]
    scaled = np.ldexp(scores, -exponent)
    centre, scale = float(scaled.mean()), float(scaled.std())
    features = np.stack([(scaled - centre) / scale, np.ones(len(scores))], axis=1)
    slope, offset = _newton(features, target)
    return Sigmoid(
        float(np.ldexp(slope / scale, -exponent)), float(offset - slope * centre / scale)
    )


def _newton(features: FloatArray, target: FloatArray) -> FloatArray:
    parameters = np.array([0.0, np.log(target.mean() / (1 - target.mean()))])
    for _ in range(_MOST_STEPS):
        probability = _logistic(features @ parameters)
        gradient = features.T @ (probability - target)
        curvature = (features.T * (probability * (1 - probability))) @ features
        step = np.linalg.solve(curvature, gradient)
        while _loss(features, target, parameters - step) > _loss(features, target, parameters):
            step = step / 2
        parameters = parameters - step
        if np.abs(step).max() < _SMALL_ENOUGH_STEP:
            break
    return parameters


def _loss(features: FloatArray, target: FloatArray, parameters: FloatArray) -> float:
    logit = features @ parameters
    return float((np.logaddexp(0, logit) - target * logit).sum())


def _logistic(logit: FloatArray) -> FloatArray:
    # exp of minus the absolute value cannot overflow.
    small = np.exp(-np.abs(logit))
    probability: FloatArray = np.where(logit >= 0, 1, small) / (1 + small)
    return probability


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
