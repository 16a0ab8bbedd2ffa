"""Error rates of single identities at the threshold."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import count
from facesim.evaluation.identity_jackknife import INTERVAL_NAME, IdentityJackknife
from facesim.evaluation.intervals import level_of_each
from facesim.evaluation.uncertainty import FEWEST_EFFECTIVE_IDENTITIES, Uncertainty
from facesim.interfaces.result import Estimate
from facesim.interfaces.roc_block import PairWeights, shares

FEWEST_PAIRS = 5
"""A rate of fewer pairs of an identity has no interval."""


@dataclass(frozen=True)
class IdentityRate:
    """One error rate of one identity.

    Attributes:
        pairs: that it is a share of.
        errors: among them.
        estimate: the rate, with its 95% interval by itself.
        is_high: whether it is higher than everybody's rate, by an interval that allows for the
            number of rates that are looked at.
    """

    pairs: int
    errors: int
    estimate: Estimate
    is_high: bool


@dataclass(frozen=True)
class IdentityErrors:
    """The error rates of one identity.

    Attributes:
        identity: int, its code in the pairs.
        fnmr: of its genuine pairs.
        fmr: of the impostor pairs in which it is on either side.
    """

    identity: int
    fnmr: IdentityRate
    fmr: IdentityRate

    @property
    def errors(self) -> int:
        """False non-matches and false matches together."""
        return self.fnmr.errors + self.fmr.errors


def identity_errors(
    files: npt.NDArray[np.object_],
    identities: Int64Array,
    accepted: BoolArray,
    *,
    most: int,
) -> list[IdentityErrors]:
    """The error rates of the identities with the most errors.

    Who is difficult to recognise, or easily taken for others, is not the same for everyone
    (Doddington et al., "Sheep, goats, lambs and wolves", 1998). An interval says what other images
    of the same person would change, and for the FMR other people as well: pairs that share an image
    of the person, or the other person, are not independent, so these are left out in turn by
    `IdentityJackknife`.

    Args:
        files: str [P, 2], the images of P pairs.
        identities: int64 [P, 2], equal on both sides if and only if the pair is genuine.
        accepted: bool [P], whether the pair is accepted.
        most: identities to return at most.

    Returns:
        Those with the most errors first; of equally many, in the order of their codes.
    """
    same = identities[:, 0] == identities[:, 1]
    wrong = same != accepted
    codes, sides = np.unique(identities, return_inverse=True)
    sides = sides.reshape(identities.shape)
    # A genuine pair has one identity, which counts once.
    errors = np.bincount(sides[wrong, 0], minlength=len(codes))
    errors += np.bincount(sides[wrong & ~same, 1], minlength=len(codes))
    shown = np.argsort(-errors, kind="stable")[:most]
    images = pd.factorize(files.ravel())[0].astype(np.int64).reshape(files.shape)
    totals = {True: _share(wrong[same]), False: _share(wrong[~same])}
    # One rate per identity and kind of error was looked at, also those that are not shown.
    level = level_of_each(max(2 * len(codes), 1))
    found = []
    for identity, pairs in zip(shown, _pairs_of(sides, shown), strict=True):
        genuine, impostor = pairs[same[pairs]], pairs[~same[pairs]]
        own = np.where(sides[impostor, 0] == identity, 0, 1)
        across = np.arange(len(impostor))
        # The person's images and the other people are units of two sets, told apart by the sign.
        between = np.stack(
            [images[impostor][across, own], -1 - sides[impostor][across, 1 - own]], axis=1
        )
        found.append(
            IdentityErrors(
                int(codes[identity]),
                _rate(wrong[genuine], images[genuine], totals[True], level),
                _rate(wrong[impostor], between, totals[False], level),
            )
        )
    return found


def _share(wrong: BoolArray) -> float:
    return float(wrong.mean()) if wrong.size else 0.0


def _pairs_of(sides: Int64Array, identities: Int64Array) -> Iterator[Int64Array]:
    """The positions of each identity's pairs, ascending."""
    order = np.argsort(sides.ravel(), kind="stable")
    sorted_sides = sides.ravel()[order]
    starts = np.searchsorted(sorted_sides, identities, side="left")
    ends = np.searchsorted(sorted_sides, identities, side="right")
    for start, end in zip(starts, ends, strict=True):
        yield np.unique(order[start:end] // 2)


def _rate(wrong: BoolArray, units: Int64Array, of_everybody: float, level: float) -> IdentityRate:
    """The share of ``wrong`` bool [Q] among pairs of units int64 [Q, 2]."""
    pairs, errors = len(wrong), int(wrong.sum())
    if not pairs:
        return IdentityRate(0, 0, Estimate(value=None, reason="no such pair"), is_high=False)
    share = errors / pairs
    if pairs < FEWEST_PAIRS:
        reason = f"only {count(pairs, 'pair')}"
        return IdentityRate(pairs, errors, Estimate(value=share, reason=reason), is_high=False)
    uncertainty = _uncertainty(wrong, units)
    if uncertainty.reason is not None:
        reason = (
            f"the pairs amount to {uncertainty.composition.identities:.1f} independent images or "
            f"people; an interval needs {FEWEST_EFFECTIVE_IDENTITIES:g}"
        )
        return IdentityRate(pairs, errors, Estimate(value=share, reason=reason), is_high=False)
    interval = uncertainty.interval(share, is_rate=True)
    corrected = uncertainty.interval(share, is_rate=True, level=level)
    estimate = Estimate(value=share, low=interval.low, high=interval.high, interval=INTERVAL_NAME)
    is_high = corrected.low is not None and corrected.low > of_everybody
    return IdentityRate(pairs, errors, estimate, is_high)


def _uncertainty(wrong: BoolArray, units: Int64Array) -> Uncertainty:
    distinct, codes = np.unique(units, return_inverse=True)
    first, second = codes.reshape(units.shape).T.astype(np.int64)

    jackknife = IdentityJackknife(first, second, len(distinct))
    genuine = second == len(distinct)

    def share(weights: PairWeights) -> FloatArray:
        def pairs(wanted: BoolArray) -> Int64Array:
            of_genuine, of_impostor = (
                weights.distinct[:, wanted & kind].sum(axis=1) for kind in (genuine, ~genuine)
            )
            found: Int64Array = of_genuine[weights.genuine] + of_impostor[weights.impostor]
            return found

        return shares(pairs(wrong), pairs(np.ones_like(wrong)))[:, None]

    return jackknife.uncertainties(share, seed=0)[0]
