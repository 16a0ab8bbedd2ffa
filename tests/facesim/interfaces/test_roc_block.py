"""A block of curves is each of its curves, to the last bit."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from facesim.arrays import FloatArray, Int64Array
from facesim.interfaces.fmr_support import each_false_matches_allowed, false_matches_allowed
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import PairWeights, RocBlock
from facesim.interfaces.roc_points import (
    equal_error_rate,
    equal_error_rates,
    points_at_fmr,
    tar_at_fmr,
    tars_at_fmr,
)
from facesim.interfaces.scores import LabelledScores

PAIRS = 300


def scored(decimals: int) -> LabelledScores:
    """With many ties where decimals are few."""
    random = np.random.default_rng(decimals)
    same = np.arange(PAIRS) % 3 == 0
    first = random.integers(20, size=PAIRS)
    second = np.where(same, first, (first + random.integers(1, 20, PAIRS)) % 20)
    scores = np.round(random.normal(size=PAIRS) + same, decimals)
    return LabelledScores.of(scores, same, first, second)


def weights(same: Int64Array) -> PairWeights:
    """Also of no genuine, no impostor and no pairs at all, and of one kind alone left out."""
    random = np.random.default_rng(1)
    distinct = random.integers(0, 4, size=(6, PAIRS))
    distinct[1], distinct[2], distinct[3] = same, 1 - same, 0
    return PairWeights(
        distinct.astype(np.uint8),
        np.array([0, 1, 2, 3, 4, 5, 0, 4, 0]),
        np.array([0, 1, 2, 3, 4, 5, 5, 0, 2]),
    )


def block_of(decimals: int) -> RocBlock:
    pairs = scored(decimals)
    return pairs.rocs(weights(pairs.same.astype(np.int64)))


def bits(found: FloatArray | list[float]) -> list[str]:
    return [float(each).hex() for each in found]


def both_kinds(read: Callable[[Roc], float]) -> Callable[[Roc], float]:
    return lambda roc: math.nan if roc.missing else read(roc)


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize(
    ("of_block", "of_one"),
    [
        (lambda block: block.areas(), lambda roc: roc.area),
        (lambda block: equal_error_rates(block)[0], lambda roc: equal_error_rate(roc).rate),
        (
            lambda block: np.where(
                block.has_both, block.thresholds_at(equal_error_rates(block)[1]), np.nan
            ),
            lambda roc: equal_error_rate(roc).threshold,
        ),
        (lambda block: tars_at_fmr(block, 0.29), lambda roc: tar_at_fmr(roc, 0.29).tar),
        (
            lambda block: np.where(
                block.has_both, block.thresholds_at(points_at_fmr(block, 0.02)), np.nan
            ),
            lambda roc: tar_at_fmr(roc, 0.02).threshold,
        ),
        (
            lambda block: block.thresholds_at(block.best_accuracy_points()),
            lambda roc: roc.threshold_at(roc.best_accuracy_point()),
        ),
        *(
            (
                lambda block, rate=rate: getattr(block.at(np.full(len(block), 0.5)), rate),
                lambda roc, rate=rate: getattr(roc.at(0.5), rate),
            )
            for rate in ("tar", "fmr", "fnmr", "accuracy", "balanced_accuracy")
        ),
    ],
)
def test_each_number_is_that_of_the_curve_alone(
    decimals: int, of_block: Callable[[RocBlock], FloatArray], of_one: Callable[[Roc], float]
) -> None:
    block = block_of(decimals)
    assert bits(of_block(block)) == bits([of_one(roc) for roc in block])


def test_its_curves_count_pairs_as_often_as_their_weights_say() -> None:
    pairs, block = scored(1), block_of(1)
    for at, roc in enumerate(block):
        expected = pairs.roc(block.weights.of_curve(at, pairs.same))
        for name, kind in (("true_accepts", block.genuine), ("false_accepts", block.impostor)):
            np.testing.assert_array_equal(getattr(roc, name), getattr(expected, name))
            np.testing.assert_array_equal(kind.accepted[kind.rows[at]], getattr(expected, name))
            parts = np.concatenate([each for _, each in kind.at_scores()])
            np.testing.assert_array_equal(parts[kind.rows[at]], np.diff(getattr(expected, name)))


def test_of_no_pairs_nothing_exists() -> None:
    nothing = np.empty(0)
    pairs = LabelledScores.of(nothing, nothing, nothing, nothing)
    block = pairs.rocs(PairWeights.of_rows(np.ones((2, 0), np.uint8)))
    assert np.isnan([*block.areas(), *equal_error_rates(block)[0]]).all()
    assert np.isnan([*tars_at_fmr(block, 0.1), *block.at(np.zeros(2)).accuracy]).all()


def test_counts_beyond_32_bits_are_exact() -> None:
    pairs = scored(3)
    many = 1 << 40
    block = pairs.rocs(
        PairWeights.of_rows(np.ones((1, PAIRS), np.int64)).times(np.full(PAIRS, many))
    )
    assert block.impostor.total.tolist() == [200 * many]


def test_some_curves_again_are_the_same_curves() -> None:
    block = block_of(1)
    again = np.array([4, 0, 0])
    assert bits(block.take(again).areas()) == bits(block.areas()[again])


@pytest.mark.parametrize("target", [0.29, 1e-3, 0.1234567890123456789, 1e-17])
def test_allowed_false_matches_are_exact_for_each_number_of_impostors(target: float) -> None:
    impostor = np.array([[0, 100], [1000, 123_456_789_012]])
    expected = [false_matches_allowed(target, each) for each in impostor.ravel().tolist()]
    assert each_false_matches_allowed(target, impostor).ravel().tolist() == expected
