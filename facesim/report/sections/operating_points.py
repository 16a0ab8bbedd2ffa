"""Operating points: metrics at target FMRs, and what the thresholds from val achieve."""

from facesim.interfaces.result import AchievedPoint, Estimate, EvaluationResult
from facesim.page import Section, Table, Text
from facesim.report.formatting import (
    estimate,
    interval,
    metric_label,
    metric_value,
    number,
    percent,
)


def operating_points_section(result: EvaluationResult) -> Section:
    """Two tables: the curve at target rates, and the thresholds that were chosen elsewhere."""
    return Section(
        "operating-points",
        "Operating points",
        (
            Text(
                "The first table reads the ROC at target false match rates, so that its thresholds "
                "are chosen on these very pairs; a target that allows no false match at all cannot "
                "be measured. The second applies the thresholds that were chosen on val, as a "
                "system in use would."
            ),
            Table(
                "TAR at FAR",
                (
                    "Metric",
                    "Value",
                    "95% interval",
                    "Achieved FMR",
                    "False matches allowed",
                    "Threshold",
                ),
                tuple(_at_target(name, at) for name, at in result.at_targets.items()),
            ),
            Table(
                f"Thresholds from {result.threshold_source}, and what they achieve here",
                ("Chosen for", "Threshold", "FMR", "TAR", "Accuracy"),
                tuple(_achieved(point) for point in result.operating_points),
            ),
        ),
    )


def _at_target(name: str, at: Estimate) -> tuple[str, ...]:
    if at.value is None or at.point is None:
        return (metric_label(name), at.reason or "not measurable")
    return (
        metric_label(name),
        metric_value(name, at.value),
        interval(name, at.low, at.high),
        percent(at.point.achieved_fmr),
        f"{at.point.false_matches_allowed:,}",
        number(at.point.threshold),
    )


def _achieved(point: AchievedPoint) -> tuple[str, ...]:
    name = point.name.replace("far_", "FMR ").replace("_", " ").replace("eer", "equal error rate")
    if point.threshold is None:
        return (name, point.reason or "no threshold")
    rates = (point.fmr, point.tar, point.accuracy)
    return (name, number(point.threshold), *(estimate("accuracy", rate) for rate in rates))
