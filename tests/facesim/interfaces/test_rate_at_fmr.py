"""Rates that are read where the FMR is at a target."""

import numpy as np
import pytest

from facesim.interfaces.rate_at_fmr import FnmrAtFmr
from facesim.interfaces.roc import Roc

SCORES = np.concatenate([np.arange(30) / 30, np.arange(30) / 30 + 0.5])
ROC = Roc.of_scores(SCORES, np.repeat([False, True], 30))
"""Impostors from 0 to 0.97 and genuine pairs from 0.5 to 1.47, each a thirtieth apart."""


def test_the_name_and_the_label_say_the_target() -> None:
    metric = FnmrAtFmr(0.005)
    assert (metric.name, metric.label) == ("fnmr_at_fmr_5e-3", "FNMR at FMR 5e-3")
    assert not metric.higher_is_better
    assert metric.target == 0.005


def test_it_is_the_share_of_genuine_pairs_below_the_threshold_that_lets_the_target_pass() -> None:
    """Of 30 impostors, FMR 0.1 lets three pass: those from 0.9 on. 12 genuine pairs are below."""
    metric = FnmrAtFmr(0.1)
    assert metric.value(ROC, float("nan")) == pytest.approx(12 / 30)
    point = metric.point(ROC)
    assert point.threshold == pytest.approx(26.5 / 30)  # between two scores
    assert point.target == 0.1
    assert point.achieved_fmr == pytest.approx(0.1)
    assert point.tar == pytest.approx(18 / 30)


@pytest.mark.parametrize(("target", "is_measurable"), [(0.1, True), (0.099, False)])
def test_a_target_must_let_three_impostors_pass(target: float, *, is_measurable: bool) -> None:
    reason = FnmrAtFmr(target).undefined_reason(ROC)
    assert (reason is None) == is_measurable
    if reason is not None:
        assert reason == ("not measurable with 30 impostors; FMR 0.099 needs 31 (rule of 3)")
    only = Roc.of_scores([0.5], [True])
    assert FnmrAtFmr(target).undefined_reason(only) == "there is no impostor pair"
