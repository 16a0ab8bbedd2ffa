"""Support of a false match rate: whether comparisons are enough to measure it."""

import math
from enum import StrEnum
from fractions import Fraction
from functools import cache

import numpy as np
from pydantic import NonNegativeInt

from facesim.arrays import Int64Array
from facesim.json_files import JsonModel

RULE_OF_30 = 30
"""False matches from which a rate is measured: it is then within 30% of the true one with a
confidence of 90%. Doddington et al., "The NIST speaker recognition evaluation", 2000."""

RULE_OF_3 = 3
"""False matches below which a rate is not measurable: N comparisons without a single one show, with
a confidence of 95%, that the rate is at most 3 / N. Jovanovic and Levy, "A look at the rule of
three", 1997. ISO/IEC 19795-1 states both rules."""


class FmrStatus(StrEnum):
    """How far a target FMR can be measured.

    A threshold for an FMR is read from the few impostor comparisons that it lets pass. Of normally
    distributed scores, nine thresholds in ten that let one pass have a true FMR of 0.2 to 3.5 times
    the target, and of those that let thirty pass, 0.7 to 1.3 times.
    """

    MEASURED = "measured"
    UNSTABLE = "unstable"
    NOT_MEASURABLE = "not_measurable"

    @classmethod
    def of(cls, false_matches: int) -> "FmrStatus":
        """That of a target which lets so many impostor comparisons pass."""
        if false_matches >= RULE_OF_30:
            return cls.MEASURED
        return cls.UNSTABLE if false_matches >= RULE_OF_3 else cls.NOT_MEASURABLE


class FmrSupport(JsonModel):
    """What the FMR of an operating point rests on.

    Attributes:
        status: of the target FMR on these comparisons.
        false_matches: impostor comparisons that the point accepts, at most as many as the target
            allows.
        identities: distinct identities in them: thirty false matches of five people are no thirty
            independent ones. None where that was not counted.
    """

    status: FmrStatus
    false_matches: NonNegativeInt | None = None
    identities: NonNegativeInt | None = None


def false_matches_allowed(target: float, impostor: int) -> int:
    """The most false matches among ``impostor`` pairs with a rate at or below ``target``.

    Exact for the decimal number that ``target`` is written as: ``floor(0.29 * 100)`` is 28 in
    floating point, and 29 here.
    """
    return math.floor(_as_written(target) * impostor)


def each_false_matches_allowed(target: float, impostor: Int64Array) -> Int64Array:
    """`false_matches_allowed` of each number of impostor pairs, int64 of any shape."""
    rate = _as_written(target)
    if rate.numerator * int(impostor.max(initial=0)) <= np.iinfo(np.int64).max >= rate.denominator:
        return impostor * rate.numerator // rate.denominator
    allowed = [false_matches_allowed(target, each) for each in impostor.ravel().tolist()]
    return np.array(allowed, np.int64).reshape(impostor.shape)


def impostors_needed(target: float, false_matches: int) -> int:
    """The fewest impostor pairs of which ``target`` allows so many false matches."""
    return math.ceil(false_matches / _as_written(target))


def not_measurable_reason(target: float, impostor: int) -> str | None:
    """Why so few impostors cannot measure a target FMR, or None where they can."""
    if FmrStatus.of(false_matches_allowed(target, impostor)) is not FmrStatus.NOT_MEASURABLE:
        return None
    needed = impostors_needed(target, RULE_OF_3)
    return (
        f"not measurable with {impostor:,} impostors; FMR {target:g} needs {needed:,} (rule of 3)"
    )


@cache
def _as_written(rate: float) -> Fraction:
    return Fraction(repr(float(rate)))
