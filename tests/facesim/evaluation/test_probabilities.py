import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from facesim.evaluation.probabilities import BINS, expected_calibration_error, fit_sigmoid


def test_it_finds_the_sigmoid_that_drew_the_pairs() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=200_000)
    same = generator.random(200_000) < 1 / (1 + np.exp(-(2.0 * scores - 0.5)))
    sigmoid = fit_sigmoid(scores, same)
    assert (sigmoid.slope, sigmoid.offset) == pytest.approx((2.0, -0.5), abs=0.03)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 1e3), (1e6, -1e6)])
def test_it_is_logistic_regression_on_platts_targets_in_any_unit(
    scale: float, shift: float
) -> None:
    generator = np.random.default_rng(0)
    same = np.arange(60) % 3 == 0
    scores = generator.normal(size=60) + same
    target = np.where(same, 21 / 22, 1 / 42)
    reference = LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000).fit(
        np.tile(scores, 2)[:, None],
        np.repeat([1, 0], 60),
        sample_weight=np.append(target, 1 - target),
    )
    probabilities = fit_sigmoid(scores * scale + shift, same).probability(scores * scale + shift)
    expected = reference.predict_proba(scores[:, None])[:, 1]
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_separated_scores_have_a_fit_short_of_certainty() -> None:
    scores = np.array([0.0, 0.1, 0.9, 1.0])
    sigmoid = fit_sigmoid(scores, scores > 0.5)
    assert sigmoid.slope > 0
    assert 0.5 < sigmoid.probability(scores)[2] < 1


def test_extreme_scores_overflow_nothing() -> None:
    scores = np.array([0.0, 0.1, 0.9, 1.0])
    sigmoid = fit_sigmoid(scores, scores > 0.5)
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(sigmoid.probability(np.array([-1e9, 1e9])), [0, 1])


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


def test_certainty_is_in_the_bin_of_what_is_almost_certain() -> None:
    same = np.array([False, True])
    assert expected_calibration_error(np.array([1.0, 0.95]), same) == pytest.approx(0.95 / 2)


def test_no_pairs_have_none() -> None:
    assert math.isnan(expected_calibration_error(np.empty(0), np.empty(0, np.bool_)))
