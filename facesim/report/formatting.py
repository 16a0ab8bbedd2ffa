"""Numbers as a reader wants to see them."""

from facesim.evaluation.metric_difference import MetricDifference
from facesim.evaluation.metrics import METRICS, PairMetric
from facesim.evaluation.result import Estimate, TarAtFarEstimate

NOTHING = "-"
"""What stands where there is no number."""

_VERDICTS = {"second": "better", "first": "worse", None: "no difference shown"}

METRIC_LABELS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "far": "FAR at the threshold",
    "tar": "TAR at the threshold",
    "fnmr": "FNMR at the threshold",
    "roc_auc": "Area under the ROC curve",
    "eer": "Equal error rate",
    "d_prime": "d-prime",
    "loss": "Loss",
}


def metric_label(name: str) -> str:
    """``tar_at_far_1e-3`` -> ``TAR at FAR 1e-3``."""
    for prefix, words in (("tar_at_far_", "TAR at FAR "), ("fnmr_at_fmr_", "FNMR at FMR ")):
        if name.startswith(prefix):
            return words + name.removeprefix(prefix)
    return METRIC_LABELS.get(name, name.replace("_", " "))


def is_percentage(metric: str) -> bool:
    """Whether readers expect a metric in percent: the rates, except the area under a curve."""
    known = METRICS.get(metric)
    return isinstance(known, PairMetric) and known.is_rate and metric != "roc_auc"


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


def tar_at_far(found: TarAtFarEstimate) -> str:
    """A TAR with its interval behind it, or why there is none."""
    as_estimate = Estimate(value=found.tar, low=found.low, high=found.high, reason=found.reason)
    return estimate("tar", as_estimate)


def words(name: str) -> str:
    """``raw_pixels`` -> ``raw pixels``."""
    return name.replace("_", " ")


def count(number_of: int, noun: str) -> str:
    """``1 pair``, ``6,000 pairs``, ``12 identities``."""
    if number_of == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number_of:,} {plural}"
