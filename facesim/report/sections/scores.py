"""Distribution of the scores, ROC, DET, and the metrics at operating points."""

from collections.abc import Mapping, Sequence

import numpy as np

from facesim.evaluation.baselines import Baseline
from facesim.evaluation.roc_band import RocBand, roc_band
from facesim.interfaces.fmr_support import RULE_OF_3, RULE_OF_30
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import AchievedPoint, Estimate, EvaluationResult
from facesim.interfaces.scores import LabelledScores
from facesim.page import Block, Section, Table, Text
from facesim.report.formatting import (
    NOTHING,
    RATE,
    VAL_AGAIN,
    complement,
    estimate,
    interval,
    is_measurable,
    larger_class,
    metric_value,
    number,
    percent,
    support,
    threshold_note,
)
from facesim.report.plots.det_curve import det_plot, tar_at_far_plot
from facesim.report.plots.roc_curve import roc_plot
from facesim.report.plots.score_histogram import score_histogram
from facesim.runs.scored_pairs import NamedPairs, PairIdentities

_GRID_POINTS = 40


def scores_section(
    result: EvaluationResult,
    pairs: NamedPairs | None,
    identities: PairIdentities | None,
    metrics: Mapping[str, Metric],
    baselines: Sequence[Baseline],
) -> Section:
    """Histogram, ROC and DET of an evaluation's pairs.

    Args:
        result: the evaluation's metrics.
        pairs: its pairs; None where there were too many to keep.
        identities: of the pairs; None leaves the bands out.
        metrics: by name, for those that are read at a target FMR.
        baselines: drawn beside the curves.
    """
    if pairs is None:
        note = Text("The scores of single pairs were not kept.", "note")
        return Section("scores", "Scores", (tar_at_far_plot(result, metrics) or note,))
    if not len(pairs):
        return Section("scores", "Scores", (Text("There are no pairs.", "note"),))
    blocks: list[Block] = [score_histogram(pairs.scores, pairs.same, result.threshold)]
    if not (result.genuine and result.impostor):
        blocks.append(Text("The curves need genuine and impostor pairs.", "note"))
        return Section("scores", "Scores", tuple(blocks))
    roc = pairs.roc()
    band = _band(pairs.labelled(identities), roc.impostor) if identities is not None else None
    blocks += [
        roc_plot(roc, band, result, metrics, baselines),
        det_plot(roc, band, result, metrics, baselines),
    ]
    return Section("scores", "Scores", tuple(blocks))


def _band(scored: LabelledScores, impostor: int) -> RocBand | None:
    """Intervals at FMRs that the pairs can measure; None for too few impostors or identities."""
    if impostor <= RULE_OF_3:
        return None
    grid = np.geomspace(RULE_OF_3 / impostor, 1.0, _GRID_POINTS, endpoint=False)
    band = roc_band(scored, grid, seed=0)
    return band if np.isfinite(band.low).any() else None


def operating_points_section(
    result: EvaluationResult, metrics: Mapping[str, Metric], score_unit: str = ""
) -> Section:
    """Two tables: metrics at target FMRs, and what the thresholds that val chose achieve.

    Args:
        result: of the evaluation.
        metrics: by name.
        score_unit: what a threshold is, such as ``cosine``; empty where that is not known.
    """
    unit = f" Thresholds are in the unit of the scores: {score_unit}." if score_unit else ""
    return Section(
        "operating-points",
        "Operating points",
        (
            Text(
                "The first table reads the ROC at target false match rates, so that its thresholds "
                "are chosen on these very pairs. The second applies the thresholds that were "
                "chosen on val, as a deployed system would. A target FMR is measured if it lets "
                f"{RULE_OF_30} false matches or more pass, unstable below that, and not measurable "
                f"below {RULE_OF_3}: N impostor pairs without a false match show no more than that "
                f"the FMR is at most 3 / N.{unit}"
            ),
            Table(
                "Metrics at target false match rates (TAR at FAR)",
                (
                    "Metric",
                    "Value",
                    "95% interval",
                    "Achieved FMR",
                    "Support",
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
                ("Chosen for", "Threshold", "Support where chosen", "FMR", "FNMR", "Accuracy"),
                (*(_achieved(point) for point in result.operating_points), *_one_answer(result)),
            ),
            *_procedure(result, metrics),
        ),
    )


def _procedure(result: EvaluationResult, metrics: Mapping[str, Metric]) -> tuple[Block, ...]:
    """The metrics at the threshold from val, with and without the choice of it."""
    rows = tuple(
        (
            metrics[name].label,
            metric_value(metrics[name], at.value),
            interval(metrics[name], at.low, at.high),
            interval(metrics[name], at.procedure.low, at.procedure.high),
        )
        for name, at in result.metrics.items()
        if name in metrics and at.procedure is not None
    )
    if not rows:
        return (Text(threshold_note(result)),)
    columns = ("Metric", "Value", "95% interval, threshold fixed", f"95% interval {VAL_AGAIN}")
    return (
        Text(threshold_note(result)),
        Table("The threshold from val as a choice", columns, rows),
    )


def _one_answer(result: EvaluationResult) -> tuple[tuple[str, ...], ...]:
    """The errors of always giving the answer that most pairs have."""
    answer = larger_class(result)
    if answer is None:
        return ()
    fmr = float(result.genuine > result.impostor)
    rates = (percent(fmr), percent(1 - fmr), percent(result.larger_class_share))
    return ((f"always {answer}", NOTHING, NOTHING, *rates),)


def _at_target(metric: Metric, at: Estimate) -> tuple[str, ...]:
    if not is_measurable(at) or at.point is None:
        return (metric.label, estimate(metric, at))
    return (
        metric.label,
        metric_value(metric, at.value),
        interval(metric, at.low, at.high),
        percent(at.point.achieved_fmr),
        support(at.support),
        number(at.point.threshold),
    )


def _achieved(point: AchievedPoint) -> tuple[str, ...]:
    name = point.name.replace("far_", "FMR ").replace("_", " ").replace("eer", "equal error rate")
    if point.threshold is None:
        return (name, point.reason or "no threshold")
    rates = (point.fmr, complement(point.tar), point.accuracy)
    shown = (estimate(RATE, rate) for rate in rates)
    return (name, number(point.threshold), support(point.support), *shown)
