"""Distribution of the scores, ROC and DET."""

from collections.abc import Mapping, Sequence

import numpy as np

from facesim.evaluation.baselines import Baseline
from facesim.evaluation.roc_band import RocBand, roc_band
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores
from facesim.page import Block, Section, Text
from facesim.report.plots.det_curve import det_plot
from facesim.report.plots.roc_curve import roc_plot
from facesim.report.plots.score_histogram import score_histogram
from facesim.report.plots.tar_at_far import tar_at_far_plot
from facesim.runs.scored_pairs import NamedPairs, PairIdentities

_GRID_POINTS = 40
_RESAMPLES = 200  # the bands use their standard error only, which 200 give within some 5%


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
        baselines: drawn beside the ROC.
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
    roc = Roc.of_scores(pairs.scores, pairs.same)
    band = _band(pairs.labelled(identities), roc.impostor) if identities is not None else None
    blocks += [
        roc_plot(roc, band, result, metrics, baselines),
        det_plot(roc, band, result, metrics),
    ]
    return Section("scores", "Scores", tuple(blocks))


def _band(scored: LabelledScores, impostor: int) -> RocBand | None:
    """Intervals at FMRs that the pairs can measure; None for too few identities."""
    grid = np.geomspace(1 / impostor, 1.0, _GRID_POINTS, endpoint=False)
    band = roc_band(scored, grid, seed=0, resamples=_RESAMPLES)
    return band if np.isfinite(band.low).any() else None
