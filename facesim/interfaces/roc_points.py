"""Points of a ROC curve: the TAR at a target FMR, and the equal error rate."""

import math
from dataclasses import dataclass

import numpy as np

from facesim.arrays import FloatArray, Int64Array
from facesim.interfaces.fmr_support import (
    FmrStatus,
    FmrSupport,
    each_false_matches_allowed,
    false_matches_allowed,
    not_measurable_reason,
)
from facesim.interfaces.result import CurvePoint
from facesim.interfaces.roc import Roc, proportion
from facesim.interfaces.roc_block import RocBlock, shares

FMR_TARGETS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""The false match rates at which the built-in operating points and metrics are read."""


@dataclass(frozen=True)
class TarAtFmr:
    """The largest TAR whose FMR is at or below a target, known as TAR at FAR.

    FNMR at FMR is the same point of the curve: ``fnmr = 1 - tar``.

    Attributes:
        target: the target FMR.
        tar: ``nan`` without genuine or without impostor pairs.
        achieved_fmr: the FMR at that point, at most ``target``.
        false_matches_allowed: how many of the impostor pairs the target lets pass; where they are
            too few, ``tar`` says nothing about the target (see `not_measurable_reason`).
        threshold: accepts exactly the pairs of that point.
    """

    target: float
    tar: float
    achieved_fmr: float
    false_matches_allowed: int
    threshold: float

    @property
    def fnmr(self) -> float:
        """The smallest FNMR whose FMR is at or below the target."""
        return 1.0 - self.tar


def tar_at_fmr(roc: Roc, target: float) -> TarAtFmr:
    """The largest TAR whose FMR is at or below ``target``."""
    allowed = false_matches_allowed(target, roc.impostor)
    index = int(np.searchsorted(roc.false_accepts, allowed, side="right")) - 1
    if not (roc.genuine and roc.impostor):
        return TarAtFmr(target, math.nan, math.nan, allowed, math.nan)
    return TarAtFmr(
        target,
        proportion(int(roc.true_accepts[index]), roc.genuine),
        proportion(int(roc.false_accepts[index]), roc.impostor),
        allowed,
        roc.threshold_at(index),
    )


def points_at_fmr(curves: RocBlock, target: float) -> Int64Array:
    """The point of each of B curves that `tar_at_fmr` reads, int64 [B]."""
    return curves.last_point_allowing(each_false_matches_allowed(target, curves.impostor.total))


def tars_at_fmr(curves: RocBlock, target: float) -> FloatArray:
    """The TAR of `tar_at_fmr` of each of B curves, float64 [B]."""
    tar = shares(curves.genuine.at(points_at_fmr(curves, target)), curves.genuine.total)
    return np.where(curves.has_both, tar, np.nan)


def target_point(roc: Roc, target: float) -> CurvePoint:
    """Where `tar_at_fmr` reads a curve; without a threshold where the target is not measurable."""
    at = tar_at_fmr(roc, target)
    if roc.missing or not_measurable_reason(target, roc.impostor):
        support = FmrSupport(status=FmrStatus.NOT_MEASURABLE)
        return CurvePoint(
            target=target, false_matches_allowed=at.false_matches_allowed, support=support
        )
    return CurvePoint(
        target=target,
        threshold=at.threshold,
        achieved_fmr=at.achieved_fmr,
        tar=at.tar,
        false_matches_allowed=at.false_matches_allowed,
        support=_support(roc, at),
    )


def _support(roc: Roc, at: TarAtFmr) -> FmrSupport:
    return FmrSupport(
        status=FmrStatus.of(at.false_matches_allowed),
        false_matches=roc.at(at.threshold).false_accepts,
        identities=roc.false_match_identities(at.threshold),
    )


@dataclass(frozen=True)
class EqualErrorRate:
    """Where false matches and false non-matches are equally frequent.

    Attributes:
        rate: FMR = FNMR there, on the line between the two points of the curve that enclose it.
        threshold: of whichever of the two points has the nearer rates (of equals, the one that
            accepts fewer); no threshold need attain ``rate`` itself.
    """

    rate: float
    threshold: float


def equal_error_rate(roc: Roc) -> EqualErrorRate:
    """The EER of a curve, interpolated; both fields ``nan`` unless both kinds of pairs exist."""
    if not (roc.genuine and roc.impostor):
        return EqualErrorRate(math.nan, math.nan)
    excess = roc.fmr - roc.fnmr
    after = int(np.searchsorted(excess, 0.0))
    before = after - 1
    share = excess[before] / (excess[before] - excess[after])
    rate = float(roc.fmr[before] + share * (roc.fmr[after] - roc.fmr[before]))
    nearer = before if -excess[before] <= excess[after] else after
    return EqualErrorRate(rate, roc.threshold_at(nearer))


def equal_error_rates(curves: RocBlock) -> tuple[FloatArray, Int64Array]:
    """`equal_error_rate` of each of B curves: the rates float64 [B], and the nearer points [B].

    The rates are ``nan``, and the points mean nothing, unless a curve has both kinds of pairs.
    """
    genuine, impostor = curves.genuine, curves.impostor

    def fmr(points: Int64Array) -> FloatArray:
        return shares(impostor.at(points), impostor.total)

    def excess(points: Int64Array) -> FloatArray:
        return fmr(points) - shares(genuine.total - genuine.at(points), genuine.total)

    after = curves.first_point(lambda at: excess(at) >= 0.0, (len(curves),))
    # A curve without both kinds reaches nothing.
    after = np.clip(after, 1, max(len(curves.thresholds) - 1, 1))
    if len(curves.thresholds) == 1:
        return np.full(len(curves), np.nan), np.zeros(len(curves), np.int64)
    before = after - 1
    low, high = excess(before), excess(after)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = fmr(before) + low / (low - high) * (fmr(after) - fmr(before))
    nearer = np.where(-low <= high, before, after)
    return np.where(curves.has_both, rates, np.nan), nearer
