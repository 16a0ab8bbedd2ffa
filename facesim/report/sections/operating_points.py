"""Operating points: metrics at target FMRs, and what the thresholds from val achieve."""

from collections.abc import Mapping

from facesim.interfaces.metric import Metric
from facesim.interfaces.result import AchievedPoint, Estimate, EvaluationResult
from facesim.page import Section, Table, Text
from facesim.report.formatting import (
    RATE,
    estimate,
    interval,
    metric_value,
    number,
    percent,
)
from facesim.report.metric_selection import complement


def operating_points_section(result: EvaluationResult, metrics: Mapping[str, Metric]) -> Section:
    """Two tables: metrics at target FMRs, and what the thresholds that val chose achieve.

    Args:
        result: of the evaluation.
        metrics: by name.
    """
    return Section(
        "operating-points",
        "Operating points",
        (
            Text(
                "The first table reads the ROC at target false match rates, so that its thresholds "
                "are chosen on these very pairs; a target that allows no false match at all cannot "
                "be measured. The second applies the thresholds that were chosen on val, as a "
                "deployed system would."
            ),
            Table(
                "Metrics at target false match rates (TAR at FAR)",
                (
                    "Metric",
                    "Value",
                    "95% interval",
                    "Achieved FMR",
                    "False matches allowed",
                    "Threshold",
                ),
                tuple(
                    _at_target(metrics[name], at)
                    for name, at in result.at_targets.items()
                    if name in metrics
                ),
            ),
            Table(
                f"Thresholds from {result.threshold_source}, and what they achieve here",
                ("Chosen for", "Threshold", "FMR", "FNMR", "Accuracy"),
                tuple(_achieved(point) for point in result.operating_points),
            ),
        ),
    )


def _at_target(metric: Metric, at: Estimate) -> tuple[str, ...]:
    if at.value is None or at.point is None:
        return (metric.label, at.reason or "not measurable")
    return (
        metric.label,
        metric_value(metric, at.value),
        interval(metric, at.low, at.high),
        percent(at.point.achieved_fmr),
        f"{at.point.false_matches_allowed:,}",
        number(at.point.threshold),
    )


def _achieved(point: AchievedPoint) -> tuple[str, ...]:
    name = point.name.replace("far_", "FMR ").replace("_", " ").replace("eer", "equal error rate")
    if point.threshold is None:
        return (name, point.reason or "no threshold")
    rates = (point.fmr, complement(point.tar), point.accuracy)
    return (name, number(point.threshold), *(estimate(RATE, rate) for rate in rates))
