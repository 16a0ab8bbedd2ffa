"""Metrics as text: which are shown, and their numbers, intervals and differences."""

from collections.abc import Mapping

from facesim.evaluation.differences import MetricDifference
from facesim.interfaces.metric import Metric, Quantity
from facesim.interfaces.result import Estimate, EvaluationResult

NOTHING = "-"
"""What stands where there is no number."""

_VERDICTS = {"second": "better", "first": "worse", None: "no difference shown"}


class _Rate(Quantity):
    label = "Rate"
    unit = "percent"


RATE = _Rate()
"""Any share that readers expect in percent, such as the TAR of an operating point."""


def percent(share: float | None) -> str:
    """``0.8203`` -> ``82.03%``; shares below 0.1% keep two significant digits."""
    if share is None:
        return NOTHING
    if 0 < abs(share) < 1e-3:
        return f"{100 * share:.2g}%"
    return f"{100 * share:.2f}%"


def number(value: float | None) -> str:
    """Four significant digits, thousands without an exponent."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def metric_value(metric: Quantity, value: float | None) -> str:
    """A value in the metric's unit; numbers between 0 and 1 have four decimals."""
    if metric.unit == "percent" or value is None:
        return percent(value)
    return f"{value:.4f}" if isinstance(metric, Metric) and metric.is_rate else number(value)


def axis_format(metric: Quantity) -> str:
    """How Plotly writes the metric's values on an axis (d3-format)."""
    return ".0%" if metric.unit == "percent" else "~g"


def signed(metric: Quantity, value: float) -> str:
    """A difference with its sign, of percentages in percentage points, without a unit."""
    return f"{100 * value:+.2f}" if metric.unit == "percent" else f"{value:+.4g}"


def interval(metric: Quantity, low: float | None, high: float | None) -> str:
    """``79.61% to 84.29%``, or a dash."""
    if low is None or high is None:
        return NOTHING
    return f"{metric_value(metric, low)} to {metric_value(metric, high)}"


def estimate(metric: Quantity, found: Estimate) -> str:
    """A value with its interval behind it, or why there is none."""
    if found.value is None:
        return found.reason or "not measured"
    value = metric_value(metric, found.value)
    return value if found.low is None else f"{value} ({interval(metric, found.low, found.high)})"


def difference(metric: Quantity, found: MetricDifference) -> str:
    """``+1.20 points (+0.31 to +2.10): better`` and the like."""
    if found.difference is None:
        return found.reason or "not measured"
    unit = " points" if metric.unit == "percent" else ""
    value = signed(metric, found.difference) + unit
    if found.low is None or found.high is None:
        return f"{value}, without an interval: {found.reason}"
    between = f"{signed(metric, found.low)} to {signed(metric, found.high)}"
    return f"{value} ({between}): {_VERDICTS[found.better]}"


def words(name: str) -> str:
    """``raw_pixels`` -> ``raw pixels``."""
    return name.replace("_", " ")


def count(number_of: int, noun: str) -> str:
    """``1 pair``, ``6,000 pairs``, ``12 identities``."""
    if number_of == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number_of:,} {plural}"


def headline_metrics(result: EvaluationResult, metrics: Mapping[str, Metric]) -> list[Metric]:
    """The metrics of a result that are for the first page, in the order of the experiment."""
    return [each for name, each in metrics.items() if each.headline and name in result.metrics]


def accept_rates(
    result: EvaluationResult, metrics: Mapping[str, Metric]
) -> list[tuple[float, Estimate]]:
    """The TAR at each target FMR, the largest target first.

    Any metric may be read at a target FMR; it is the TAR if it has the TAR's value and direction.
    """
    found = [
        (each.point.target, each)
        for name, each in result.metrics.items()
        if name in metrics
        and metrics[name].higher_is_better
        and each.point is not None
        and each.point.target is not None
        and each.value in (None, each.point.tar)
    ]
    return sorted(found, key=lambda at: -at[0])


def complement(rate: Estimate) -> Estimate:
    """The estimate of ``1 - rate``: FNMR from TAR."""
    ends = (None if end is None else 1 - end for end in (rate.value, rate.high, rate.low))
    value, low, high = ends
    return rate.model_copy(update={"value": value, "low": low, "high": high})
