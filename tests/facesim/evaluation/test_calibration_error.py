import math

import numpy as np
import pytest

from facesim.evaluation.calibration_error import BINS, expected_calibration_error


def test_it_is_the_definition_in_a_loop() -> None:
    generator = np.random.default_rng(0)
    probabilities, same = generator.random(500), generator.random(500) < 0.4
    total = 0.0
    for low in range(BINS):
        inside = [low <= p * BINS < low + 1 for p in probabilities]
        if any(inside):
            gap = probabilities[inside].mean() - same[inside].mean()
            total += abs(gap) * sum(inside) / 500
    assert expected_calibration_error(probabilities, same) == pytest.approx(total, abs=1e-12)


def test_certainty_that_is_right_has_none_and_that_is_wrong_has_all() -> None:
    same = np.array([True, False])
    assert expected_calibration_error(np.array([1.0, 0.0]), same) == 0
    assert expected_calibration_error(np.array([0.0, 1.0]), same) == 1


def test_no_pairs_have_none() -> None:
    assert math.isnan(expected_calibration_error(np.empty(0), np.empty(0, np.bool_)))
