"""Metrics with their intervals, all from one pass over the resamples."""

import math
from collections.abc import Sequence

from facesim.evaluation.bootstrap_interval import INTERVAL_NAME, bootstrap_interval
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.metrics import PairMetric
from facesim.evaluation.result import Estimate
from facesim.evaluation.roc import IntArray, Roc, SortedPairs

Question = tuple[PairMetric, float | None]
"""A metric, and the threshold that it is asked at; None for a metric that needs none."""


def estimate(
    questions: Sequence[Question],
    pairs: SortedPairs,
    bootstrap: IdentityBootstrap,
    *,
    seed: int,
    resamples: int,
) -> dict[Question, Estimate]:
    """Answer each question; a metric that does not exist has a reason and no value.

    Args:
        questions: what to measure.
        pairs: the scored pairs.
        bootstrap: their identities.
        seed: of the resamples.
        resamples: 0 for no intervals.
    """
    roc = pairs.roc()
    reasons = {question: _why_not(question, roc) for question in questions}
    answerable = [question for question, reason in reasons.items() if reason is None]

    def measure(weights: IntArray | None = None) -> list[float]:
        resampled = pairs.roc(weights)
        return [_measure(question, resampled) for question in answerable]

    estimates = {
        question: Estimate(value=None, reason=reason) for question, reason in reasons.items()
    }
    values = measure()
    if not (resamples and answerable):
        answers = zip(answerable, values, strict=True)
        return estimates | {question: Estimate(value=value) for question, value in answers}
    resampled = bootstrap.values(measure, seed=seed, resamples=resamples)
    n = bootstrap.effective_identities
    for (metric, threshold), value, spread in zip(answerable, values, resampled.T, strict=True):
        interval = bootstrap_interval(value, spread, n, is_rate=metric.is_rate)
        estimates[metric, threshold] = Estimate(
            value=value,
            low=interval.low,
            high=interval.high,
            interval=None if interval.reason else INTERVAL_NAME,
            reason=interval.reason,
        )
    return estimates


def _why_not(question: Question, roc: Roc) -> str | None:
    metric, threshold = question
    if metric.at_threshold and threshold is None:
        return "there is no threshold"
    return metric.why_undefined(roc)


def _measure(question: Question, roc: Roc) -> float:
    metric, threshold = question
    return metric.function(roc, math.nan if threshold is None else threshold)
