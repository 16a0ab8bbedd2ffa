"""Numbers as a reader wants to see them."""

from functools import cache

from facesim.evaluation.differences import MetricDifference
from facesim.interfaces import metrics
from facesim.interfaces.kinds import built_metrics
from facesim.interfaces.metric import MeanLoss, Metric, Quantity
from facesim.interfaces.result import AchievedPoint, Estimate, EvaluationResult
from facesim.registry import required_parameters

NOTHING = "-"
"""What stands where there is no number."""

_VERDICTS = {"second": "better", "first": "worse", None: "no difference shown"}


@cache
def quantity(name: str) -> Quantity:
    """The metric of a name, for its label and unit; a plain number where none is registered."""
    if name == MeanLoss.name:
        return MeanLoss()
    if name in metrics.names() and not required_parameters(metrics.get(name)):
        return built_metrics([metrics.spec(name)])[name]
    unknown = Quantity()
    unknown.name, unknown.label = name, words(name)
    return unknown


def headline_metrics(result: EvaluationResult) -> dict[str, Estimate]:
    """The metrics that stand on the first page."""
    known = {name: quantity(name) for name in result.metrics}
    return {
        name: result.metrics[name]
        for name, each in known.items()
        if isinstance(each, Metric) and each.headline
    }


def headline_point(result: EvaluationResult) -> AchievedPoint:
    """What the headline threshold achieves."""
    return next(at for at in result.operating_points if at.threshold == result.threshold)


def metric_label(name: str) -> str:
    """``tar_at_far_1e-3`` -> ``TAR at FAR 1e-3``."""
    return quantity(name).label


def is_percentage(metric: str) -> bool:
    """Whether readers expect a metric in percent."""
    return quantity(metric).unit == "percent"


def accept_rates(result: EvaluationResult) -> tuple[tuple[float, Estimate], ...]:
    """The TAR at each target FMR, the largest target first."""
    found = [
        (each.point.target, each)
        for name, each in result.at_targets.items()
        if each.point is not None
        and each.point.target is not None
        and quantity(name).higher_is_better
    ]
    return tuple(sorted(found, key=lambda at: -at[0]))


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


def metric_value(metric: str, value: float | None) -> str:
    """A metric's value in percent or as a number, whichever is usual."""
    if metric == "roc_auc" and value is not None:
        return f"{value:.4f}"
    return percent(value) if is_percentage(metric) else number(value)


def signed(metric: str, value: float) -> str:
    """A difference with its sign, of percentages in percentage points, without a unit."""
    return f"{100 * value:+.2f}" if is_percentage(metric) else f"{value:+.4g}"


def interval(metric: str, low: float | None, high: float | None) -> str:
    """``79.61% to 84.29%``, or a dash."""
    if low is None or high is None:
        return NOTHING
    return f"{metric_value(metric, low)} to {metric_value(metric, high)}"


def estimate(metric: str, found: Estimate) -> str:
    """A value with its interval behind it, or why there is none."""
    if found.value is None:
        return found.reason or "not measured"
    value = metric_value(metric, found.value)
    return value if found.low is None else f"{value} ({interval(metric, found.low, found.high)})"


def difference(found: MetricDifference) -> str:
    """``+1.20 points (+0.31 to +2.10): better`` and the like."""
    if found.difference is None:
        return found.reason or "not measured"
    unit = " points" if is_percentage(found.metric) else ""
    value = signed(found.metric, found.difference) + unit
    if found.low is None or found.high is None:
        return f"{value}, without an interval: {found.reason}"
    between = f"{signed(found.metric, found.low)} to {signed(found.metric, found.high)}"
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
