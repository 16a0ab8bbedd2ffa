import numpy as np
import pytest

from facesim.errors import FacesimError
from facesim.evaluation.calibration import Calibration, Provenance, calibrate
from facesim.evaluation.probabilities import expected_calibration_error

MADE_WITH = Provenance(preprocessing="112 x 112", score="cosine", checkpoint="sha256:ab")


def make(pairs: int = 400) -> Calibration:
    same = np.arange(pairs) % 2 == 0
    scores = np.random.default_rng(0).normal(size=pairs) + 2 * same
    return calibrate(scores, same, split="val", pairs_sha256="cd", provenance=MADE_WITH)


@pytest.mark.parametrize("field", ["preprocessing", "score", "checkpoint"])
def test_it_is_refused_for_scores_that_are_made_otherwise(field: str) -> None:
    other = MADE_WITH.model_copy(update={field: "another"})
    ours = getattr(MADE_WITH, field)
    with pytest.raises(FacesimError, match=f"its {field} is {ours}, not another; calibrate again"):
        make().check_applies_to(other)
    make().check_applies_to(MADE_WITH)


def test_probabilities_rise_with_the_score_and_are_about_right() -> None:
    probability = make(4000).probability
    assert probability is not None
    low, middle, high = probability.probability([-3.0, 1.0, 5.0])
    assert low < 0.05 < middle < 0.95 < high
    assert middle == pytest.approx(0.5, abs=0.05)
    assert probability.calibration_error < 0.03
    same = np.arange(4000) % 2 == 0
    others = np.random.default_rng(1).normal(size=4000) + 2 * same
    assert expected_calibration_error(probability.probability(others), same) < 0.04


@pytest.mark.parametrize(
    ("scores", "same", "reason"),
    [
        ([], [], "there are no pairs"),
        ([0.1, 0.2], [True, True], "there is no impostor pair"),
        ([0.5, 0.5], [True, False], "all scores are equal"),
    ],
)
def test_pairs_that_support_no_probability_say_why(
    scores: list[float], same: list[bool], reason: str
) -> None:
    calibration = calibrate(scores, same, split="val", pairs_sha256="cd", provenance=MADE_WITH)
    assert (calibration.probability, calibration.probability_reason) == (None, reason)
