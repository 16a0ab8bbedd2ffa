"""The ROC curve on a grid of FARs with an interval at each, for drawing."""

from dataclasses import dataclass

import numpy as np

from facesim.arrays import FloatArray
from facesim.evaluation.bootstrap_interval import bootstrap_interval
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.roc import Roc, SortedPairs


@dataclass(frozen=True, eq=False)
class RocBand:
    """TAR at FAR with pointwise intervals; the DET's band is ``1 -`` it.

    Attributes:
        far: float64 [F], the grid.
        tar: float64 [F], the largest TAR whose FAR is at or below.
        low: float64 [F], lower ends; ``nan`` where there is no interval.
        high: float64 [F], upper ends.
    """

    far: FloatArray
    tar: FloatArray
    low: FloatArray
    high: FloatArray


def roc_band(
    pairs: SortedPairs,
    bootstrap: IdentityBootstrap,
    far: FloatArray,
    *,
    seed: int,
    resamples: int,
) -> RocBand:
    """The band of a curve by the bootstrap over identities.

    Args:
        pairs: the scored pairs, of both kinds.
        bootstrap: their identities.
        far: float64 [F] within 0 and 1.
        seed: of the resamples.
        resamples: how many.
    """
    tar = _tar_at(pairs.roc(), far)
    resampled = bootstrap.values(
        lambda weights: _tar_at(pairs.roc(weights), far), seed=seed, resamples=resamples
    )
    identities = bootstrap.effective_identities
    intervals = [
        bootstrap_interval(float(value), spread, identities, is_rate=True)
        for value, spread in zip(tar, resampled.T, strict=True)
    ]
    ends = np.array([(each.low, each.high) for each in intervals], np.float64)
    return RocBand(far, tar, *ends.reshape(-1, 2).T)


def _tar_at(roc: Roc, far: FloatArray) -> FloatArray:
    if roc.missing is not None:
        return np.full(len(far), np.nan)
    return roc.tar[np.searchsorted(roc.far, far, side="right") - 1]
