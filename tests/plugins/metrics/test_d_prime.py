import math

import numpy as np
import pytest

from facesim import Roc
from facesim_plugins.metrics.d_prime import DPrime


@pytest.mark.parametrize("decimals", [0, 12])
def test_it_is_the_formula_on_the_scores(decimals: int) -> None:
    same = np.arange(200) % 3 == 0
    scores = np.round(np.random.default_rng(0).normal(size=200) + same, decimals)
    genuine, impostor = scores[same], scores[~same]
    spread = math.sqrt((genuine.var() + impostor.var()) / 2)
    expected = (genuine.mean() - impostor.mean()) / spread
    assert DPrime().value(Roc.of_scores(scores, same), math.nan) == pytest.approx(
        expected, abs=1e-12
    )


def test_it_is_negative_where_impostors_score_higher() -> None:
    assert DPrime().value(Roc.of_scores([0.1, 0.2, 0.8, 0.9], [True, True, False, False]), 0.0) < 0


@pytest.mark.parametrize(
    ("scores", "same"),
    [
        ([], []),
        ([0.1, 0.2], [True, True]),
        ([0.1, 0.2], [False, False]),
        ([0.9, 0.1], [True, False]),
    ],
)
def test_it_does_not_exist_without_spread_or_without_both_kinds(
    scores: list[float], same: list[bool]
) -> None:
    roc = Roc.of_scores(scores, same)
    assert math.isnan(DPrime().value(roc, math.nan))
    assert DPrime().undefined_reason(roc)


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_it_does_not_depend_on_the_unit_of_the_scores(unit: float) -> None:
    same = np.arange(200) % 3 == 0
    scores = np.random.default_rng(0).normal(size=200) + same
    ours, other = (
        DPrime().value(Roc.of_scores(made, same), 0.0) for made in (scores, scores * unit)
    )
    assert other == pytest.approx(ours)
