"""Two runs on the same pairs: which differences are more than luck of the identities."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt

from facesim.arrays import FloatArray, Int64Array
from facesim.evaluation.bootstrap_interval import INTERVAL_NAME, bootstrap_interval
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.metric_difference import MetricDifference
from facesim.evaluation.metrics import PAIR_METRICS, PairMetric
from facesim.evaluation.pair_identities import checked_identities
from facesim.evaluation.roc import Roc, SortedPairs, checked_scores


@dataclass(frozen=True)
class ScoredRun:
    """One run's scores of the pairs that both runs scored.

    Attributes:
        scores: float [P].
        threshold: the run's own, chosen on val; None leaves out the metrics that need one.
    """

    scores: npt.ArrayLike
    threshold: float | None


def paired_differences(
    first: ScoredRun,
    second: ScoredRun,
    same: npt.ArrayLike,
    first_identities: npt.ArrayLike,
    second_identities: npt.ArrayLike,
    *,
    seed: int,
    resamples: int,
) -> tuple[MetricDifference, ...]:
    """The difference of every metric, each run measured on the same resamples.

    What the identities have in common for both runs, hard ones and easy ones, so cancels, and
    smaller differences show than two separate intervals would tell apart.

    Args:
        first: a run.
        second: another run's scores of the same P pairs, in the same order.
        same: bool [P].
        first_identities: int [P], the identity of each pair's first image.
        second_identities: int [P], the identity of its second image.
        seed: of the resamples.
        resamples: how many.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, or ``same`` contradicts the
            identities.
    """
    runs = [(*checked_scores(run.scores, same), run.threshold) for run in (first, second)]
    genuine = runs[0][1]
    bootstrap = IdentityBootstrap.of(
        *checked_identities(first_identities, second_identities, genuine), genuine
    )
    before, after = (SortedPairs.of(scores, kinds) for scores, kinds, _ in runs)
    both = (before.roc(), after.roc())
    reasons = {metric: _why_not(metric, both, (first, second)) for metric in PAIR_METRICS}
    measured = [metric for metric, reason in reasons.items() if reason is None]

    def differences(weights: Int64Array | None = None) -> list[float]:
        curves = before.roc(weights), after.roc(weights)
        return [_difference(metric, curves, (first, second)) for metric in measured]

    spread = bootstrap.values(differences, seed=seed, resamples=resamples)
    found = dict(zip(measured, zip(differences(), spread.T, strict=True), strict=True))
    return tuple(
        MetricDifference(metric=metric.name, difference=None, reason=reason)
        if reason
        else _judged(metric, *found[metric], bootstrap.effective_identities)
        for metric, reason in reasons.items()
    )


def _why_not(
    metric: PairMetric, curves: tuple[Roc, Roc], runs: tuple[ScoredRun, ScoredRun]
) -> str | None:
    if metric.at_threshold and None in (run.threshold for run in runs):
        return "there is no threshold"
    return metric.why_undefined(curves[0]) or metric.why_undefined(curves[1])


def _difference(
    metric: PairMetric, curves: tuple[Roc, Roc], runs: tuple[ScoredRun, ScoredRun]
) -> float:
    before, after = (
        metric.function(roc, math.nan if run.threshold is None else run.threshold)
        for roc, run in zip(curves, runs, strict=True)
    )
    return after - before


def _judged(
    metric: PairMetric, difference: float, spread: FloatArray, identities: float
) -> MetricDifference:
    interval = bootstrap_interval(difference, spread, identities, is_rate=False)
    better: Literal["first", "second"] | None = None
    if interval.excludes(0.0):
        better = "second" if metric.better(difference, than=0.0) else "first"
    return MetricDifference(
        metric=metric.name,
        difference=difference,
        low=interval.low,
        high=interval.high,
        interval=None if interval.reason else INTERVAL_NAME,
        better=better,
        reason=interval.reason,
    )
