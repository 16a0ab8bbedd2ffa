"""Headline of a result: the FNMR at a stated FMR where most comparisons are of one kind."""

from collections.abc import Mapping
from functools import cache

from facesim.interfaces.fmr_support import FmrStatus, false_matches_allowed
from facesim.interfaces.metric import Metric
from facesim.interfaces.rate_at_fmr import FnmrAtFmr
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.roc_points import FMR_TARGETS

MOSTLY_ONE_KIND = 0.75
"""Share of genuine or of impostor comparisons above which no accuracy heads a result: it says
little more there than how often the larger class occurs."""


class _Headline(FnmrAtFmr):
    headline = True


def choose_headline(genuine: int, impostor: int, measured_on: int) -> Metric | None:
    """The FNMR at the smallest target FMR that is measured, or is the best supported.

    None where neither kind of comparisons prevails, so that the metrics of the experiment head the
    result.

    Args:
        genuine: comparisons.
        impostor: comparisons.
        measured_on: the impostor comparisons that the interval is made from.
    """
    if max(genuine, impostor) <= MOSTLY_ONE_KIND * (genuine + impostor):
        return None
    measured = [
        target
        for target in FMR_TARGETS
        if FmrStatus.of(false_matches_allowed(target, measured_on)) is FmrStatus.MEASURED
    ]
    return _headline(min(measured, default=max(FMR_TARGETS)))


@cache
def _headline(target: float) -> _Headline:
    """One object per target, so that what it measured is known again."""
    return _Headline(target)


def metrics_of_result(result: EvaluationResult, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics by name, with that before them which heads the result.

    Args:
        result: of an evaluation.
        metrics: of the experiment.
    """
    found = result.metrics[result.headline] if result.headline is not None else None
    if found is None or found.point is None or found.point.target is None:
        return dict(metrics)
    headline = _headline(found.point.target)
    return {headline.name: headline, **{n: m for n, m in metrics.items() if n != headline.name}}
