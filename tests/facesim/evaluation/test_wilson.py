import math
from statistics import NormalDist

import pytest

from facesim.evaluation.wilson import wilson_interval


@pytest.mark.parametrize("successes", [0, 1, 7, 10])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_its_ends_are_the_shares_that_a_score_test_just_accepts(
    successes: int, level: float
) -> None:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    low, high = wilson_interval(successes / 10, 10, level)
    for end in (low, high):
        accepted = z * math.sqrt(end * (1 - end) / 10)
        assert abs(successes / 10 - end) == pytest.approx(accepted, abs=1e-7)
    assert 0 <= low <= successes / 10 <= high <= 1


def test_no_error_in_a_hundred_trials_leaves_room_for_some() -> None:
    assert wilson_interval(1.0, 100) == pytest.approx((0.96300, 1.0), abs=1e-5)


def test_no_trials_have_no_interval() -> None:
    assert all(math.isnan(end) for end in wilson_interval(math.nan, 0))
