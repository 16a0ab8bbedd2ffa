import json
from typing import Any

import numpy as np
import pytest

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.errors import FacesimError
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.metrics import METRICS
from facesim.evaluation.operating_points import OperatingPoint, choose_operating_points
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import Roc


def draw(
    pairs: int = 600, identities: int = 20, seed: int = 0
) -> tuple[FloatArray, BoolArray, Int64Array, Int64Array]:
    """Pairs, half of them genuine, whose scores tell the kinds apart a little."""
    random = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    first = random.integers(identities, size=pairs)
    second = np.where(same, first, (first + random.integers(1, identities, pairs)) % identities)
    return random.normal(size=pairs) + 1.5 * same, same, first, second


def strict(text: str) -> Any:
    """Parse JSON as the standard has it."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_it_counts_the_pairs_and_identities() -> None:
    result = evaluate_scores(*draw())
    assert (result.pairs, result.genuine, result.impostor, result.identities) == (600, 300, 300, 20)


def test_thresholds_from_elsewhere_are_applied_and_not_chosen_again() -> None:
    scores, same, first, second = draw()
    val = choose_operating_points(Roc.of_scores(*draw(seed=1)[:2]))
    result = evaluate_scores(
        scores, same, first, second, operating_points=val, threshold_source="val"
    )
    assert result.threshold == val[0].threshold
    assert result.threshold_source == "val"
    assert result.threshold is not None
    assert result.accuracy.value == ((scores >= result.threshold) == same).mean()
    for point, chosen in zip(result.operating_points, val, strict=True):
        if chosen.threshold is not None:
            accepted = scores >= chosen.threshold
            assert point.far.value == accepted[~same].mean()
            assert point.tar.value == accepted[same].mean()


def test_every_metric_has_a_value_by_name() -> None:
    assert set(evaluate_scores(*draw()).values()) == set(METRICS)


def test_the_result_survives_strict_json() -> None:
    result = evaluate_scores(*draw(), loss=float("nan"))
    document = strict(result.to_json())
    assert document["accuracy"].keys() >= {"value", "low", "high", "interval"}
    assert document["tar_at_far"][0].keys() >= {
        "far",
        "tar",
        "achieved_far",
        "false_accepts_allowed",
    }
    assert document["loss"] is None
    assert document["reasons"]["loss"] == "the loss is nan"
    assert EvaluationResult.model_validate_json(result.to_json()) == result


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_tiny_sets_have_no_invented_number(pairs: int) -> None:
    scores, same, first, second = (array[:pairs] for array in draw())
    result = evaluate_scores(scores, same, first, second)
    strict(result.to_json())
    assert (result.roc_auc.value is None) == (pairs < 2)
    if pairs == 0:
        assert result.accuracy.reason == "there is no threshold"
        assert result.reasons["threshold"] == "there are no pairs"
    if pairs == 1:
        assert result.accuracy.value == 1
        assert result.roc_auc.reason == "there is no impostor pair"


def test_a_far_beyond_the_impostors_is_null_with_a_reason() -> None:
    last = evaluate_scores(*draw()).tar_at_far[-1]
    assert (last.far, last.tar, last.false_accepts_allowed) == (1e-6, None, 0)
    assert "not measurable with 300 impostors" in (last.reason or "")


def test_pairs_that_contradict_their_identities_are_refused() -> None:
    scores, same, first, second = draw()
    with pytest.raises(
        FacesimError, match="1 pairs contradict their identities, the first is pair"
    ):
        evaluate_scores(scores, np.where(np.arange(600) == 7, ~same, same), first, second)


def test_points_without_the_headline_are_refused() -> None:
    with pytest.raises(FacesimError, match="lack 'best_accuracy'"):
        evaluate_scores(*draw(), operating_points=[OperatingPoint(name="eer", threshold=0.1)])


def test_intervals_come_with_resamples_and_hold_the_values() -> None:
    result = evaluate_scores(*draw(), seed=3, resamples=50)
    found = result.accuracy
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert (result.seed, result.resamples) == (3, 50)
    assert result.tar_at_far[0].low is not None
    assert result.operating_points[0].accuracy == found
    assert evaluate_scores(*draw()).accuracy.low is None


def test_an_interval_over_identities_is_wider_than_one_over_pairs_where_people_differ() -> None:
    scores, same, first, second = draw()
    easy = np.random.default_rng(5).normal(size=20)
    result = evaluate_scores(scores + easy[first], same, first, second, resamples=200)
    by_identity, by_pair = result.tar, result.wilson["tar"]
    assert None not in (by_identity.low, by_pair.low)
    assert (by_identity.low or 1) < (by_pair.low or 0)
