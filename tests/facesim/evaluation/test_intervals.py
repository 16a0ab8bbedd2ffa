import math
from statistics import NormalDist

import pytest

from facesim.evaluation.intervals import (
    LEVEL,
    level_of_each,
    name_together,
    student_t_quantile,
    wilson_interval,
)


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


@pytest.mark.parametrize(
    ("degrees", "probability", "tabulated"),
    [
        (1, 0.975, 12.706205),
        (1, 0.995, 63.656741),
        (1.5, 0.975, 6.0166631),
        (1.5, 0.995, 17.820311),
        (2, 0.975, 4.3026527),
        (2, 0.995, 9.9248432),
        (3.7, 0.975, 2.8675207),
        (3.7, 0.995, 4.8692523),
        (10, 0.975, 2.2281389),
        (10, 0.995, 3.1692727),
        (40, 0.975, 2.0210754),
        (40, 0.995, 2.7044593),
        (150, 0.975, 1.9759053),
        (150, 0.995, 2.6090026),
        (1e06, 0.975, 1.9599664),
        (1e06, 0.995, 2.5758342),
    ],
)
def test_students_quantile_is_the_tabulated_one(
    degrees: float, probability: float, tabulated: float
) -> None:
    assert student_t_quantile(probability, degrees) == pytest.approx(tabulated, rel=1e-5)


@pytest.mark.parametrize("probability", [0.5, 0.7, 0.99])
def test_students_quantile_of_one_and_two_degrees_has_a_closed_form(probability: float) -> None:
    above = probability - 0.5
    cauchy, two = math.tan(math.pi * above), 2 * above * math.sqrt(2 / (1 - 4 * above**2))
    assert student_t_quantile(probability, 1) == pytest.approx(cauchy)
    assert student_t_quantile(probability, 2) == pytest.approx(two)


def test_students_quantile_is_symmetric() -> None:
    assert student_t_quantile(0.025, 5) == pytest.approx(-student_t_quantile(0.975, 5))


def test_intervals_that_hold_together_are_each_of_a_higher_level() -> None:
    assert level_of_each(1) == pytest.approx(LEVEL)
    assert level_of_each(5) == pytest.approx(0.99)
    assert (name_together("a_95", 1), name_together("a_95", 2)) == ("a_95", "a_95_simultaneous")
