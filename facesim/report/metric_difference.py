"""The difference of one metric between two runs, and whether it shows."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from facesim.evaluation.metrics import metric_named
from facesim.evaluation.paired_difference import PairedDifference
from facesim.evaluation.result import Estimate
from facesim.report.formatting import is_percentage, signed


class MetricDifference(BaseModel):
    """By how much a run's metric exceeds that of the run that it is compared with.

    Attributes:
        metric: its name.
        difference: None where the metric does not exist in both runs.
        low: lower end of its 95% interval.
        high: upper end.
        verdict: ``better`` or ``worse`` if the interval leaves 0 out, by the metric's direction.
        reason: why there is no difference or no interval.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    difference: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    verdict: Literal["better", "worse", "no difference shown"] = "no difference shown"
    reason: str | None = None

    @classmethod
    def of_paired(cls, found: PairedDifference) -> "MetricDifference":
        """From both runs on the same resamples of the same pairs."""
        return cls(
            metric=found.metric,
            difference=found.difference,
            low=found.low,
            high=found.high,
            verdict=_verdict(found.metric, found.low, found.high),
            reason=found.reason,
        )

    @classmethod
    def of_independent(cls, metric: str, first: Estimate, second: Estimate) -> "MetricDifference":
        """From two intervals, as if the runs had been evaluated on other people each.

        The distances from each value to the ends of its interval are squared and added. Newcombe,
        "Interval estimation for the difference between independent proportions", 1998; Zou and
        Donner, "Construction of confidence limits about effect measures", 2008.
        """
        if first.value is None or second.value is None:
            return cls(metric=metric, difference=None, reason=first.reason or second.reason)
        difference = second.value - first.value
        if first.low is None or first.high is None or second.low is None or second.high is None:
            reason = first.reason or second.reason or "a run has no interval"
            return cls(metric=metric, difference=difference, reason=reason)
        low = difference - math.hypot(second.value - second.low, first.high - first.value)
        high = difference + math.hypot(second.high - second.value, first.value - first.low)
        return cls(
            metric=metric,
            difference=difference,
            low=low,
            high=high,
            verdict=_verdict(metric, low, high),
        )

    def as_text(self) -> str:
        """``+1.20 points (+0.31 to +2.10): better`` and the like."""
        if self.difference is None:
            return self.reason or "not measured"
        unit = " points" if is_percentage(self.metric) else ""
        value = signed(self.metric, self.difference) + unit
        if self.low is None or self.high is None:
            return f"{value}, without an interval: {self.reason}"
        between = f"{signed(self.metric, self.low)} to {signed(self.metric, self.high)}"
        return f"{value} ({between}): {self.verdict}"


def _verdict(
    metric: str, low: float | None, high: float | None
) -> Literal["better", "worse", "no difference shown"]:
    if low is None or high is None or low <= 0.0 <= high:
        return "no difference shown"
    return "better" if (low > 0.0) == metric_named(metric).higher_is_better else "worse"
