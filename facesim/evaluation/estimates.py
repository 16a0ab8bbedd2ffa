"""Metrics with their intervals, all from one pass over the resamples."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facesim.evaluation.bootstrap_interval import INTERVAL_NAME, bootstrap_interval
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.metrics import PairMetric
from facesim.evaluation.result import Estimate
from facesim.evaluation.roc import FloatArray, IntArray, Roc, SortedPairs

Question = tuple[PairMetric, float | None]
"""A metric, and the threshold that it is asked at; None for a metric that needs none."""


def answer(questions: Iterable[Question], roc: Roc) -> dict[Question, Estimate]:
    """Answer each question; a metric that does not exist has a reason and no value."""
    return {question: _answer(question, roc) for question in questions}


@dataclass(frozen=True, eq=False)
class Resampling:
    """What intervals are made from.

    Attributes:
        pairs: the scored pairs.
        bootstrap: their identities.
        seed: of the resamples.
        resamples: their number; 0 for no intervals.
    """

    pairs: SortedPairs
    bootstrap: IdentityBootstrap
    seed: int
    resamples: int

    def with_intervals(self, answers: Mapping[Question, Estimate]) -> dict[Question, Estimate]:
        """The same answers, each value with its interval or the reason why there is none."""
        values = {key: found.value for key, found in answers.items() if found.value is not None}
        if not (self.resamples and values):
            return dict(answers)

        def measure(weights: IntArray) -> list[float]:
            roc = self.pairs.roc(weights)
            return [_measure(question, roc) for question in values]

        resampled = self.bootstrap.values(measure, seed=self.seed, resamples=self.resamples)
        identities = self.bootstrap.effective_identities
        found = {
            question: _bounded(question, value, spread, identities)
            for (question, value), spread in zip(values.items(), resampled.T, strict=True)
        }
        return {**answers, **found}


def _answer(question: Question, roc: Roc) -> Estimate:
    reason = _why_not(question, roc)
    return Estimate(value=None if reason else _measure(question, roc), reason=reason)


def _bounded(
    question: Question, value: float, spread: FloatArray, effective_identities: float
) -> Estimate:
    metric, _ = question
    interval = bootstrap_interval(value, spread, effective_identities, is_rate=metric.is_rate)
    return Estimate(
        value=value,
        low=interval.low,
        high=interval.high,
        interval=None if interval.reason else INTERVAL_NAME,
        reason=interval.reason,
    )


def _why_not(question: Question, roc: Roc) -> str | None:
    metric, threshold = question
    if metric.at_threshold and threshold is None:
        return "there is no threshold"
    return metric.why_undefined(roc)


def _measure(question: Question, roc: Roc) -> float:
    metric, threshold = question
    return metric.function(roc, math.nan if threshold is None else threshold)
