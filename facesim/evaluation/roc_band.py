"""ROC confidence band: the curve on a grid of FMRs with an interval at each."""

from dataclasses import dataclass

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import RocBlock, shares
from facesim.interfaces.scores import LabelledScores


@dataclass(frozen=True, eq=False)
class RocBand:
    """TAR at each FMR with pointwise intervals; the DET's band is ``1 -`` it.

    Attributes:
        fmr: float64 [F], the grid.
        tar: float64 [F], the largest TAR whose FMR is at or below.
        low: float64 [F], lower ends; ``nan`` where there is no interval.
        high: float64 [F], upper ends.
    """

    fmr: FloatArray
    tar: FloatArray
    low: FloatArray
    high: FloatArray


def roc_band(scored: LabelledScores, fmr: FloatArray, *, seed: int) -> RocBand:
    """The band of a curve by the jackknife over identities.

    Args:
        scored: comparisons of both kinds.
        fmr: float64 [F] within 0 and 1.
        seed: of random groups of pairs.
    """
    tar = _tar_at(scored.roc(), fmr)
    spread = IdentityJackknife.of(scored).uncertainties(
        lambda weights: _tars_at(scored.rocs(weights), fmr), seed
    )
    intervals = [
        uncertainty.interval(float(value), is_rate=True)
        for value, uncertainty in zip(tar, spread, strict=True)
    ]
    ends = np.array([(each.low, each.high) for each in intervals], np.float64)
    return RocBand(fmr, tar, *ends.reshape(-1, 2).T)


def _tar_at(roc: Roc, fmr: FloatArray) -> FloatArray:
    curves = roc.by_network
    if any(each.missing is not None for each in curves):
        return np.full(len(fmr), np.nan)
    tar = [each.tar[np.searchsorted(each.fmr, fmr, side="right") - 1] for each in curves]
    if len(tar) == 1:
        return tar[0]
    # Vertical averaging: Fawcett, "An introduction to ROC analysis", 2006.
    found: FloatArray = np.average(tar, axis=0, weights=[each.genuine for each in curves])
    return found


def _tars_at(curves: RocBlock, fmr: FloatArray) -> FloatArray:
    """`_tar_at` of each of B curves, float64 [B, F]."""
    blocks = curves.by_network
    tar = np.stack([_tars_of_network(each, fmr) for each in blocks])
    if len(blocks) == 1:
        return np.asarray(tar[0])
    # Without genuine pairs the TAR is nan, and so is the mean whatever the weight.
    weights = np.stack([np.maximum(each.genuine.total, 1) for each in blocks])
    weights = np.broadcast_to(weights[:, :, None], tar.shape)
    found: FloatArray = np.average(tar, axis=0, weights=weights)
    return found


def _tars_of_network(curves: RocBlock, fmr: FloatArray) -> FloatArray:
    impostor = curves.impostor.total[:, None]

    def exceeds(points: Int64Array) -> BoolArray:
        return np.greater(shares(curves.impostor.at(points), impostor), fmr)

    points = curves.first_point(exceeds, (len(curves), len(fmr))) - 1
    has_both = np.expand_dims(curves.has_both, 1)
    # Without impostors no point exceeds anything.
    points = np.where(has_both, points, 0)
    tar = shares(curves.genuine.at(points), curves.genuine.total[:, None])
    return np.where(has_both, tar, np.nan)
