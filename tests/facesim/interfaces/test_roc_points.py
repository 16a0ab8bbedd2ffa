import math

import numpy as np
import pytest

from facesim.arrays import BoolArray, FloatArray
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_points import FMR_TARGETS, tar_at_fmr


def naive(scores: FloatArray, same: BoolArray, far: float) -> float:
    """The best TAR over every threshold whose FAR keeps the target."""
    best = 0.0
    for threshold in [math.inf, *scores]:
        accepted = scores >= threshold
        if (accepted & ~same).sum() <= far * (~same).sum() + 1e-9:
            best = max(best, (accepted & same).sum() / same.sum())
    return best


@pytest.mark.parametrize("decimals", [0, 1, 12])
@pytest.mark.parametrize("far", [0.5, 0.29, *FMR_TARGETS])
def test_it_is_the_best_tar_that_keeps_the_target(decimals: int, far: float) -> None:
    same = np.arange(300) % 3 == 0
    scores = np.round(np.random.default_rng(0).normal(size=300) + same, decimals)
    roc = Roc.of_scores(scores, same)
    at = tar_at_fmr(roc, far)
    assert at.tar == pytest.approx(naive(scores, same, far), abs=1e-12)
    assert at.fnmr == pytest.approx(1 - at.tar, abs=1e-12)
    assert at.achieved_fmr <= far
    assert roc.at(at.threshold).tar == at.tar
    assert roc.at(at.threshold).fmr == at.achieved_fmr


def test_tied_impostors_are_accepted_together_or_not_at_all() -> None:
    roc = Roc.of_scores([0.9, 0.9, 0.9, 0.5], [False, False, True, False])
    at = tar_at_fmr(roc, 0.4)
    assert (at.false_matches_allowed, at.achieved_fmr, at.tar) == (1, 0, 0)


@pytest.mark.parametrize("same", [[], [True], [False, False]])
def test_it_does_not_exist_without_both_kinds_of_pairs(same: list[bool]) -> None:
    at = tar_at_fmr(Roc.of_scores([0.5] * len(same), same), 0.1)
    assert math.isnan(at.tar)
    assert math.isnan(at.threshold)
