"""The difference of one metric between two systems, with its interval."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from facesim.interfaces.metric import Quantity
from facesim.interfaces.result import Estimate

INDEPENDENT_INTERVAL = "independent_95"


class MetricDifference(BaseModel):
    """By how much the second system's metric exceeds the first's.

    Attributes:
        metric: its name.
        difference: second minus first; None where the metric does not exist in both.
        low: lower end of the interval of the difference.
        high: upper end.
        interval: the method and level of the interval.
        better: ``first`` or ``second`` if the interval excludes 0, by the metric's direction;
            None if no difference is shown.
        reason: why the difference or its interval does not exist.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    difference: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    interval: str | None = None
    better: Literal["first", "second"] | None = None
    reason: str | None = None


def independent_difference(metric: Quantity, first: Estimate, second: Estimate) -> MetricDifference:
    """The difference of two estimates, treated as independent.

    The distances from each value to the ends of its interval are squared and added. Newcombe,
    "Interval estimation for the difference between independent proportions", 1998; Zou and
    Donner, "Construction of confidence limits about effect measures", 2008.

    Args:
        metric: with its direction.
        first: the metric of the first system.
        second: the metric of the second.
    """
    if first.value is None or second.value is None:
        reason = first.reason or second.reason
        return MetricDifference(metric=metric.name, difference=None, reason=reason)
    difference = second.value - first.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        reason = first.reason or second.reason or "a run has no interval"
        return MetricDifference(metric=metric.name, difference=difference, reason=reason)
    low = difference - math.hypot(second.value - second.low, first.high - first.value)
    high = difference + math.hypot(second.high - second.value, first.value - first.low)
    better: Literal["first", "second"] | None = None
    if not low <= 0.0 <= high:
        better = "second" if metric.better(difference, than=0.0) else "first"
    return MetricDifference(
        metric=metric.name,
        difference=difference,
        low=low,
        high=high,
        interval=INDEPENDENT_INTERVAL,
        better=better,
    )
