"""A rate of a slice, with what its interval and that of a gap are made from."""

from dataclasses import dataclass

from facesim.arrays import FloatArray
from facesim.evaluation.bootstrap_interval import INTERVAL_NAME, Interval, bootstrap_interval
from facesim.evaluation.result import Estimate


@dataclass(frozen=True, eq=False)
class SliceRate:
    """One rate of one slice.

    Attributes:
        value: of the attribute.
        pairs: that the rate is a share of.
        share: the rate; ``nan`` of no pairs.
        spread: float64 [R], the rate in each resample of the identities.
        identities: effective ones behind the pairs.
    """

    value: str
    pairs: int
    share: float
    spread: FloatArray
    identities: float

    def estimate(self) -> Estimate:
        """The rate with its interval."""
        if not self.pairs:
            return Estimate(value=None, reason="no pair of the kind has this value on both sides")
        if not self.spread.size:
            return Estimate(value=self.share)
        return _bounded(
            self.share,
            bootstrap_interval(self.share, self.spread, self.identities, is_rate=True),
        )

    def excess(self, other: "SliceRate") -> Estimate:
        """By how much it exceeds the same rate of another slice, both on the same resamples."""
        difference = self.share - other.share
        if not self.spread.size:
            return Estimate(value=difference)
        identities = min(self.identities, other.identities)
        spread = self.spread - other.spread
        return _bounded(
            difference, bootstrap_interval(difference, spread, identities, is_rate=False)
        )


def _bounded(value: float, interval: Interval) -> Estimate:
    return Estimate(
        value=value,
        low=interval.low,
        high=interval.high,
        interval=None if interval.reason else INTERVAL_NAME,
        reason=interval.reason,
    )
