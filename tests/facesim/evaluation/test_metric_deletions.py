"""Metrics without each identity in turn: blocks of curves give what single curves give."""

import math
from typing import Any

import numpy as np
import pytest

from facesim.arrays import FloatArray, Int64Array
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.evaluation.evaluate import evaluate_scores
from facesim.evaluation.metric_deletions import metric_deletions
from facesim.interfaces import roc_block
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.metric import Metric
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import RocBlock
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
PAIRS, PEOPLE = 900, 14


def draw(networks: int = 1) -> LabelledScores:
    random = np.random.default_rng(3)
    same = np.arange(PAIRS) % 2 == 0
    first = random.integers(PEOPLE, size=PAIRS)
    second = np.where(same, first, (first + random.integers(1, PEOPLE, PAIRS)) % PEOPLE)
    scores = np.round(random.normal(size=PAIRS) + 1.5 * same, 2)
    network = None if networks == 1 else np.arange(PAIRS) // 2 % networks
    return LabelledScores(scores, same, first, second, network)


class OneByOne(Metric):
    """Another metric in its simple form alone."""

    def __init__(self, metric: Metric) -> None:
        self.metric, self.name, self.label = metric, metric.name, metric.label
        vars(self)["at_threshold"] = metric.at_threshold
        vars(self)["range"] = metric.range

    def value(self, roc: Roc, threshold: float) -> float:
        return self.metric.value(roc, threshold)

    def undefined_reason(self, roc: Roc) -> str | None:
        return self.metric.undefined_reason(roc)


@pytest.mark.parametrize("networks", [1, 3])
def test_intervals_are_to_the_last_bit_those_of_the_metrics_measured_curve_by_curve(
    networks: int,
) -> None:
    one_by_one = {name: OneByOne(metric) for name, metric in METRICS.items()}
    block, loop = (
        evaluate_scores(draw(networks), metrics, resamples=10) for metrics in (METRICS, one_by_one)
    )
    compared = 0
    for name, found in block.metrics.items():
        assert (found.value, found.low, found.high) == (
            loop.metrics[name].value,
            loop.metrics[name].low,
            loop.metrics[name].high,
        )
        compared += found.low is not None
    assert compared >= 9


def test_blocks_of_a_few_rows_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate_scores(draw(), METRICS, resamples=10)
    monkeypatch.setattr(roc_block, "BLOCK_BYTES", 5 * PAIRS * roc_block.BYTES_PER_PAIR)
    monkeypatch.setattr(roc_block, "PART_BYTES", 1)
    assert roc_block.rows_of_block(PAIRS) == 5
    assert evaluate_scores(draw(), METRICS, resamples=10) == whole


class Counting(Metric):
    """How many curves it has measured."""

    name = label = "counting"

    def __init__(self) -> None:
        self.measured = 0

    def value(self, roc: Roc, threshold: float) -> float:
        self.measured += 1
        return roc.area


def test_what_was_measured_of_the_same_comparisons_is_not_measured_again() -> None:
    metric, scored = Counting(), draw()
    first = metric_deletions(scored, [(metric, None)], seed=1)
    measured = metric.measured
    again = metric_deletions(scored, [(metric, None)], seed=1)
    assert metric.measured == measured > PEOPLE
    np.testing.assert_array_equal(again.identities, first.identities)
    other = metric_deletions(scored, [(metric, None)], seed=2)
    assert metric.measured == 2 * measured
    np.testing.assert_array_equal(other.identities, first.identities)
    assert not np.array_equal(other.pairs[0], first.pairs[0])


def test_metrics_in_their_simple_form_share_each_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making it takes longer than measuring it."""
    curves, made = LabelledScores.roc, []

    def counted(scored: LabelledScores, weights: Int64Array | None = None) -> Roc:
        made.append(weights)
        return curves(scored, weights)

    monkeypatch.setattr(LabelledScores, "roc", counted)
    metric_deletions(draw(), [(Counting(), None)], seed=1)
    of_one = len(made)
    metric_deletions(draw(), [(Counting(), None), (Counting(), None)], seed=1)
    assert len(made) == 2 * of_one > 2 * PEOPLE


def test_deletions_stand_in_the_order_of_the_queries() -> None:
    scored, auc, eer = draw(), METRICS["roc_auc"], METRICS["eer"]
    metric_deletions(scored, [(eer, None)], seed=0)
    both = metric_deletions(scored, [(auc, None), (eer, None)], seed=0)
    roc = scored.roc()
    assert both.whole.tolist() == [[auc.value(roc, math.nan), eer.value(roc, math.nan)]]


def test_a_metric_of_another_number_of_values_is_named() -> None:
    class TooFew(Counting):
        def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
            return np.ones(1)

    with pytest.raises(FacesimError, match="metric counting gives values of shape"):
        evaluate_scores(draw(), {"counting": TooFew()}, resamples=10)


def test_without_each_identity_means_without_all_its_pairs() -> None:
    class Seen(Counting):
        def value(self, roc: Roc, threshold: float) -> float:
            scored: Any = roc.labelled
            weights: Int64Array = (
                np.ones(PAIRS, np.int64) if roc.weights is None else np.asarray(roc.weights)
            )
            there = np.union1d(scored.first[weights > 0], scored.second[weights > 0])
            return float(len(there)) if len(there) == PEOPLE else float(-weights.sum())

    scored = draw()
    found = metric_deletions(scored, [(Seen(), None)], seed=0)
    for identity, value in enumerate(found.identities[:, 0]):
        assert -value == np.sum((scored.first != identity) & (scored.second != identity))
