import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from facesim.arrays import FloatArray, Int64Array
from facesim.discovery import load_installed_plugins
from facesim.evaluation.calibration import Calibration, points_with_spread
from facesim.evaluation.evaluate import Thresholds, evaluate_scores
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.evaluation.threshold_spread import (
    QUANTILES,
    RESAMPLES,
    resampled_weights,
    threshold_spreads,
)
from facesim.interfaces.kinds import built_metrics, standard_metrics
from facesim.interfaces.roc_block import RocBlock
from facesim.interfaces.scores import LabelledScores

load_installed_plugins()
METRICS = built_metrics(standard_metrics())
FIRST = np.array([7, 7, 3, 9, 3, 9, 7])
SECOND = np.array([7, 3, 9, 7, 3, 9, 9])
PEOPLE = IdentityJackknife.of(LabelledScores.of(np.zeros(7), FIRST == SECOND, FIRST, SECOND))


def draw(seed: int, people: int = 20, pairs: int = 800) -> LabelledScores:
    """Pairs of unequal people: some are easier to recognise, others more common."""
    random = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    first = random.integers(people, size=pairs)
    second = np.where(same, first, (first + random.integers(1, people, size=pairs)) % people)
    ease, commonness = 0.7 * random.normal(size=people), 0.4 * random.normal(size=people)
    scores = random.normal(size=pairs) + np.where(
        same, 2.5 + ease[first], commonness[first] + commonness[second]
    )
    return LabelledScores.of(scores, same, first, second)


def drawn_weights(seed: int, resamples: int) -> Iterator[Int64Array]:
    """Of each resample."""
    for weights in resampled_weights(PEOPLE, seed, resamples):
        for at in range(len(weights)):
            yield weights.of_curve(at, FIRST == SECOND)


def test_a_pair_counts_once_for_each_way_to_meet_its_people_again() -> None:
    names = np.unique(FIRST)
    generator = np.random.default_rng(4)
    for weights in drawn_weights(seed=4, resamples=20):
        drawn = names[generator.integers(3, size=3)]
        for pair, weight in enumerate(weights):
            if FIRST[pair] == SECOND[pair]:
                expected = sum(person == FIRST[pair] for person in drawn)
            else:
                people = itertools.permutations(drawn, 2)
                expected = sum((FIRST[pair], SECOND[pair]) == two for two in people)
            assert weight == expected


def test_the_same_seed_draws_the_same_resamples_and_more_of_them_go_on() -> None:
    few, many = ([*drawn_weights(0, resamples)] for resamples in (3, 8))
    np.testing.assert_array_equal(few, many[:3])
    assert not np.array_equal(many, [*drawn_weights(1, 8)])


def test_a_rule_that_finds_no_threshold_in_most_resamples_has_no_spread() -> None:
    found = threshold_spreads(
        draw(0),
        {"never": lambda of: np.full(len(of), np.nan), "one": lambda of: np.ones(len(of))},
    )
    assert found["never"] is None
    one = found["one"]
    assert one is not None
    assert one.thresholds == (1.0,) * QUANTILES


def test_every_chosen_threshold_lies_within_its_spread_and_survives_json() -> None:
    for point in points_with_spread(draw(0)):
        assert (point.spread is None) == (point.threshold is None)
        if point.spread is not None and point.threshold is not None:
            thresholds = point.spread.thresholds
            assert list(thresholds) == sorted(thresholds)
            assert thresholds[0] < point.threshold < thresholds[-1]
            assert type(point).model_validate_json(point.model_dump_json()) == point


def test_a_calibration_of_an_earlier_version_has_no_spread() -> None:
    earlier: dict[str, Any] = {
        "split": "val",
        "pairs_sha256": "ab",
        "pairs": 2,
        "genuine": 1,
        "provenance": {"preprocessing": "a", "score": "b", "checkpoint": "c"},
        "operating_points": [{"name": "best_accuracy", "threshold": 0.5}],
        "probability": None,
    }
    (point,) = Calibration.model_validate(earlier).operating_points
    assert point.spread is None


def test_with_val_drawn_again_intervals_at_its_threshold_are_wider_and_others_have_none() -> None:
    thresholds = Thresholds(points_with_spread(draw(1)), "val")
    result = evaluate_scores(draw(2), METRICS, thresholds=thresholds, resamples=50)
    for name, found in result.metrics.items():
        assert (found.procedure is not None) == METRICS[name].at_threshold, name
        if found.procedure is not None:
            assert found.low is not None
            assert found.high is not None
            assert found.procedure.low < found.low < found.high < found.procedure.high
    for at in result.operating_points:
        assert (at.tar.procedure is not None) == (at.threshold is not None)


def test_the_threshold_s_error_is_the_deviation_over_the_thresholds_of_its_own_rule() -> None:
    points = points_with_spread(draw(1))
    scored = draw(2)
    result = evaluate_scores(scored, METRICS, thresholds=Thresholds(points, "val"), resamples=50)
    roc = scored.roc()
    measured = 0
    for at in result.operating_points:
        if at.tar.procedure is None:
            continue
        spread = next(each.spread for each in points if each.threshold == at.threshold)
        assert spread is not None
        rates = [roc.at(threshold).tar for threshold in spread.thresholds]
        assert at.tar.procedure.threshold_error == pytest.approx(np.std(rates, ddof=1))
        measured += 1
    assert measured > 2


def test_without_a_spread_there_is_no_interval_of_the_procedure() -> None:
    points = [at.model_copy(update={"spread": None}) for at in points_with_spread(draw(1))]
    result = evaluate_scores(draw(2), METRICS, thresholds=Thresholds(points, "val"), resamples=50)
    assert not any(found.procedure for found in result.metrics.values())


def test_an_interval_that_holds_the_threshold_fixed_covers_the_procedure_less_often() -> None:
    """A short form of ``tests/benchmarks/bootstrap_coverage.py``."""
    metrics = {"tar": METRICS["tar"]}
    measured, true = [], []
    for seed in range(60):
        thresholds = Thresholds(points_with_spread(draw(1000 + seed)), "val")
        found = evaluate_scores(draw(seed), metrics, thresholds=thresholds, resamples=50)
        measured.append(found.metrics["tar"])
        at = (found.threshold or 0.0) - 2.5
        true.append(0.5 * math.erfc(at / math.hypot(0.7, 1) / math.sqrt(2)))
    truth = np.mean(true)
    fixed = [(each.low or 0) <= truth <= (each.high or 0) for each in measured]
    again = [
        each.procedure.low <= truth <= each.procedure.high for each in measured if each.procedure
    ]
    assert len(again) == len(fixed)
    assert np.mean(again) >= 0.92
    assert np.mean(fixed) < np.mean(again)


@pytest.mark.parametrize("people", [2, 3])
def test_of_too_few_people_in_val_the_procedure_has_no_interval(people: int) -> None:
    thresholds = Thresholds(points_with_spread(draw(1, people=people, pairs=40)), "val")
    result = evaluate_scores(draw(2), METRICS, thresholds=thresholds, resamples=50)
    assert result.metrics["accuracy"].low is not None
    assert result.metrics["accuracy"].procedure is None


def test_thresholds_stand_for_equal_parts_of_the_resamples_each_in_its_middle() -> None:
    drawn = iter(range(RESAMPLES))

    def counting(curves: RocBlock) -> FloatArray:
        return np.array(list(itertools.islice(drawn, len(curves))), np.float64)

    (spread,) = threshold_spreads(draw(0), {"counting": counting}).values()
    assert spread is not None
    parts = np.array_split(np.arange(RESAMPLES), QUANTILES)
    assert len(spread.thresholds) == QUANTILES
    for threshold, part in zip(spread.thresholds, parts, strict=True):
        assert abs(threshold - part.mean()) <= 1
