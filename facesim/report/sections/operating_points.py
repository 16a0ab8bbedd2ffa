"""What fixed false accept rates allow, and what the thresholds from val achieve."""

from facesim.evaluation.metrics import far_name
from facesim.evaluation.result import AchievedPoint, EvaluationResult, TarAtFarEstimate
from facesim.page import Section, Table, Text
from facesim.report.formatting import estimate, interval, number, percent


def operating_points_section(result: EvaluationResult) -> Section:
    """Two tables: the curve at fixed rates, and the thresholds that were chosen elsewhere."""
    return Section(
        "operating-points",
        "Operating points",
        (
            Text(
                "The first table reads the ROC at fixed false accept rates, so that its thresholds "
                "are chosen on these very pairs; a target that allows no false accept at all "
                "cannot be measured. The second applies the thresholds that were chosen on val, as "
                "a system in use would."
            ),
            Table(
                "True accept rate at fixed false accept rates",
                (
                    "FAR target",
                    "TAR",
                    "95% interval",
                    "Achieved FAR",
                    "False accepts allowed",
                    "Threshold",
                ),
                tuple(_at_far(at) for at in result.tar_at_far),
            ),
            Table(
                f"Thresholds from {result.threshold_source}, and what they achieve here",
                ("Chosen for", "Threshold", "FAR", "TAR", "Accuracy"),
                tuple(_achieved(point) for point in result.operating_points),
            ),
        ),
    )


def _at_far(at: TarAtFarEstimate) -> tuple[str, ...]:
    if at.tar is None:
        return (far_name(at.far), at.reason or "not measurable")
    return (
        far_name(at.far),
        percent(at.tar),
        interval("tar", at.low, at.high),
        percent(at.achieved_far),
        f"{at.false_accepts_allowed:,}",
        number(at.threshold),
    )


def _achieved(point: AchievedPoint) -> tuple[str, ...]:
    name = point.name.replace("far_", "FAR ").replace("_", " ").replace("eer", "equal error rate")
    if point.threshold is None:
        return (name, point.reason or "no threshold")
    rates = (("far", point.far), ("tar", point.tar), ("accuracy", point.accuracy))
    return (
        name,
        number(point.threshold),
        *(estimate(metric, found) for metric, found in rates),
    )
