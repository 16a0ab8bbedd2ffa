import math

import numpy as np
import pytest

from facesim.interfaces.fmr_support import (
    FmrStatus,
    false_matches_allowed,
    impostors_needed,
    not_measurable_reason,
)
from facesim.interfaces.result import CurvePoint
from facesim.interfaces.roc_points import target_point
from facesim.interfaces.scores import LabelledScores


@pytest.mark.parametrize(
    ("false_matches", "status"),
    [
        (0, "not_measurable"),
        (2, "not_measurable"),
        (3, "unstable"),
        (29, "unstable"),
        (30, "measured"),
    ],
)
def test_thirty_false_matches_measure_a_rate_and_three_bound_it(
    false_matches: int, status: str
) -> None:
    assert FmrStatus.of(false_matches) == status


def test_one_false_match_says_little_of_a_threshold_and_thirty_say_enough() -> None:
    """The reason for the rule: the true FMR of thresholds that let k of 1,000 impostors pass."""
    impostors = np.sort(np.random.default_rng(0).normal(size=(1000, 1000)), axis=1)[:, ::-1]
    ends = {}
    for allowed in (1, 30):
        thresholds = impostors[:, allowed - 1 : allowed + 1].mean(axis=1)
        true_fmr = np.array([math.erfc(each / math.sqrt(2)) / 2 for each in thresholds])
        ends[allowed] = np.quantile(true_fmr / (allowed / 1000), [0.05, 0.95])
    assert ends[1] == pytest.approx([0.2, 3.5], abs=0.2)
    assert ends[30] == pytest.approx([0.7, 1.3], abs=0.1)


@pytest.mark.parametrize(
    ("far", "impostor", "allowed"),
    [
        (0.29, 100, 29),
        (0.1, 30, 3),
        (1e-3, 1000, 1),
        (1e-3, 999, 0),
        (1e-6, 10**6, 1),
        (0.7, 10, 7),
    ],
)
def test_false_accepts_allowed_are_whole_and_free_of_rounding(
    far: float, impostor: int, allowed: int
) -> None:
    assert false_matches_allowed(far, impostor) == allowed


def test_a_target_below_the_rule_of_3_is_not_measurable() -> None:
    assert not_measurable_reason(1e-3, 3000) is None
    assert not_measurable_reason(1e-3, 2999) == (
        "not measurable with 2,999 impostors; FMR 0.001 needs 3,000 (rule of 3)"
    )
    assert impostors_needed(0.07, 3) == 43  # of 42 it would be fewer than 3
    assert (impostors_needed(0.29, 29), impostors_needed(1e-3, 30)) == (100, 30_000)


def test_a_point_counts_the_people_behind_its_false_matches() -> None:
    """Forty false matches that all hold one person are of forty-one people, not of eighty."""
    identities = np.arange(1, 401)
    impostors = LabelledScores.of(
        np.concatenate([[400.5], np.arange(400.0)]),
        [True, *[False] * 400],
        [0, *[0] * 400],
        [0, *identities],
    )
    support = target_point(impostors.roc(), 0.1).support
    assert support is not None
    assert (support.status, support.false_matches, support.identities) == ("measured", 40, 41)
    assert target_point(impostors.roc(), 1e-3).support is not None
    below = target_point(impostors.roc(), 1e-3)
    assert (below.threshold, below.tar) == (None, None)


def test_a_point_of_before_gets_the_status_that_its_false_matches_give_it() -> None:
    point = CurvePoint.model_validate({"target": 0.1, "tar": 0.5, "false_matches_allowed": 12})
    assert point.support is not None
    assert (point.support.status, point.support.identities) == ("unstable", None)
    assert CurvePoint.model_validate_json(point.model_dump_json()) == point
