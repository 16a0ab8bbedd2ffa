import math

import numpy as np
import pytest
import sklearn.metrics

from facesim.arrays import BoolArray, FloatArray
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_points import equal_error_rate


def naive(scores: FloatArray, same: BoolArray) -> float:
    """Walk along scikit-learn's curve until FAR passes FRR, and cut the segment."""
    far, tar, _ = sklearn.metrics.roc_curve(same, scores, drop_intermediate=False)
    for (f0, t0), (f1, t1) in zip(
        zip(far, tar, strict=True), zip(far[1:], tar[1:], strict=True), strict=False
    ):
        if f1 >= 1 - t1:
            share = (1 - t0 - f0) / (f1 - f0 + t1 - t0)
            return float(f0 + share * (f1 - f0))
    raise AssertionError


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize("pairs", [3, 30, 600])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_where_the_curve_crosses_the_diagonal(decimals: int, pairs: int, seed: int) -> None:
    same = np.arange(pairs) % 3 == 0
    scores = np.round(np.random.default_rng(seed).normal(size=pairs) + same, decimals)
    rate = equal_error_rate(Roc.of_scores(scores, same)).rate
    assert rate == pytest.approx(naive(scores, same), abs=1e-12)


def test_separated_scores_have_none_and_the_threshold_lies_between() -> None:
    eer = equal_error_rate(Roc.of_scores([0.8, 0.6, 0.2, 0.0], [True, True, False, False]))
    assert eer.rate == 0
    assert eer.threshold == pytest.approx(0.4)


def test_reversed_scores_are_always_wrong() -> None:
    assert equal_error_rate(Roc.of_scores([0.1, 0.9], [True, False])).rate == 1


def test_equal_scores_are_a_coin_toss() -> None:
    assert equal_error_rate(Roc.of_scores([0.5] * 4, [True, False] * 2)).rate == 0.5


@pytest.mark.parametrize("every", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_balances_the_errors_as_well_as_any(every: int, seed: int) -> None:
    same = np.arange(500) % every == 0
    scores = np.random.default_rng(seed).normal(size=500) + same
    roc = Roc.of_scores(scores, same)
    gaps = np.abs(roc.fmr - roc.fnmr)
    at = roc.at(equal_error_rate(roc).threshold)
    assert abs(at.fmr - at.fnmr) == pytest.approx(gaps.min(), abs=1e-12)


@pytest.mark.parametrize("same", [[], [True, True], [False]])
def test_it_does_not_exist_without_both_kinds_of_pairs(same: list[bool]) -> None:
    eer = equal_error_rate(Roc.of_scores([0.1] * len(same), same))
    assert math.isnan(eer.rate)
    assert math.isnan(eer.threshold)


def test_of_two_points_that_balance_equally_well_the_threshold_accepts_fewer() -> None:
    """FMR less FNMR is -0.5 above the tie and 0.5 with it."""
    eer = equal_error_rate(Roc.of_scores([3.0, 2.0, 2.0, 1.0], [True, True, False, False]))
    assert eer.rate == 0.25
    assert eer.threshold == 2.5
