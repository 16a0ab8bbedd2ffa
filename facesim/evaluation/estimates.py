"""Metrics with their intervals, all from one pass over the resamples."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facesim.arrays import FloatArray, Int64Array
from facesim.evaluation.bootstrap_interval import INTERVAL_NAME, bootstrap_interval
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.metrics import PairMetric
from facesim.evaluation.result import Estimate
from facesim.evaluation.roc import Roc, SortedPairs

SAMPLED_INTERVAL_NAME = f"{INTERVAL_NAME}_of_sampled_pairs"
"""What ``metrics.json`` calls an interval from a sample of the pairs that the value is of."""

MetricQuery = tuple[PairMetric, float | None]
"""A metric, and the threshold that it is asked at; None for a metric that needs none."""


def answer(questions: Iterable[MetricQuery], roc: Roc) -> dict[MetricQuery, Estimate]:
    """Answer each question; a metric that does not exist has a reason and no value."""
    return {question: _answer(question, roc) for question in questions}


@dataclass(frozen=True, eq=False)
class Resampling:
    """What intervals are made from.

    Attributes:
        pairs: the scored pairs, or a sample of them where they are too many.
        bootstrap: their identities.
        seed: of the resamples.
        resamples: their number; 0 for no intervals.
        stands_for: int64 [P], how many of all pairs each one of a sample stands for; None if these
            are all of them.
    """

    pairs: SortedPairs
    bootstrap: IdentityBootstrap
    seed: int
    resamples: int
    stands_for: Int64Array | None = None

    def with_intervals(
        self, answers: Mapping[MetricQuery, Estimate]
    ) -> dict[MetricQuery, Estimate]:
        """The same answers, each value with its interval or the reason why there is none."""
        if not self.resamples:
            return dict(answers)
        without = self._without_interval(answers)
        values = {
            question: found.value
            for question, found in answers.items()
            if found.value is not None and question not in without
        }
        if not values:
            return {**answers, **without}

        def measure(weights: Int64Array) -> list[float]:
            roc = self.pairs.roc(weights if self.stands_for is None else weights * self.stands_for)
            return [_measure(question, roc) for question in values]

        resampled = self.bootstrap.values(measure, seed=self.seed, resamples=self.resamples)
        found = {
            question: self._bounded(question, value, spread)
            for (question, value), spread in zip(values.items(), resampled.T, strict=True)
        }
        return {**answers, **without, **found}

    def _without_interval(
        self, answers: Mapping[MetricQuery, Estimate]
    ) -> dict[MetricQuery, Estimate]:
        """The values of all pairs that a sample of them is too small for."""
        if self.stands_for is None:
            return {}
        roc = self.pairs.roc()
        reasons = {question: _why_not(question, roc) for question in answers}
        sampled = f"intervals are made from {len(self.pairs.order):,} sampled pairs"
        return {
            question: Estimate(value=found.value, reason=f"{sampled}: {reasons[question]}")
            for question, found in answers.items()
            if found.value is not None and reasons[question] is not None
        }

    def _bounded(self, question: MetricQuery, value: float, spread: FloatArray) -> Estimate:
        metric, _ = question
        identities = self.bootstrap.effective_identities
        interval = bootstrap_interval(value, spread, identities, is_rate=metric.is_rate)
        name = INTERVAL_NAME if self.stands_for is None else SAMPLED_INTERVAL_NAME
        return Estimate(
            value=value,
            low=interval.low,
            high=interval.high,
            interval=None if interval.reason else name,
            reason=interval.reason,
        )


def _answer(question: MetricQuery, roc: Roc) -> Estimate:
    reason = _why_not(question, roc)
    return Estimate(value=None if reason else _measure(question, roc), reason=reason)


def _why_not(question: MetricQuery, roc: Roc) -> str | None:
    metric, threshold = question
    if metric.at_threshold and threshold is None:
        return "there is no threshold"
    return metric.why_undefined(roc)


def _measure(question: MetricQuery, roc: Roc) -> float:
    metric, threshold = question
    return metric.function(roc, math.nan if threshold is None else threshold)
