import math

import numpy as np
import pytest

from facesim.evaluation.d_prime import d_prime
from facesim.evaluation.roc import Roc


@pytest.mark.parametrize("decimals", [0, 12])
def test_it_is_the_formula_on_the_scores(decimals: int) -> None:
    same = np.arange(200) % 3 == 0
    scores = np.round(np.random.default_rng(0).normal(size=200) + same, decimals)
    genuine, impostor = scores[same], scores[~same]
    spread = math.sqrt((genuine.var() + impostor.var()) / 2)
    expected = (genuine.mean() - impostor.mean()) / spread
    assert d_prime(Roc.of_scores(scores, same)) == pytest.approx(expected, abs=1e-12)


def test_it_is_negative_where_impostors_score_higher() -> None:
    assert d_prime(Roc.of_scores([0.1, 0.2, 0.8, 0.9], [True, True, False, False])) < 0


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
    assert math.isnan(d_prime(Roc.of_scores(scores, same)))
