import numpy as np
import numpy.typing as npt
import pytest

from facesim.errors import FacesimError
from facesim.evaluation.calibration import (
    Calibration,
    OperatingPoint,
    calibrate,
    choose_operating_points,
)
from facesim.evaluation.probabilities import expected_calibration_error
from facesim.evaluation.provenance import Provenance
from facesim.interfaces.fmr_support import FmrStatus, FmrSupport
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores


def chosen(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[Roc, dict[str, OperatingPoint]]:
    roc = Roc.of_scores(scores, same)
    return roc, {point.name: point for point in choose_operating_points(roc)}


def test_every_rule_has_a_point_that_keeps_its_promise() -> None:
    same = np.arange(4000) % 2 == 0
    roc, points = chosen(np.random.default_rng(0).normal(size=4000) + 2 * same, same)
    assert list(points)[:3] == ["best_accuracy", "eer", "far_1e-1"]
    assert points["best_accuracy"].accuracy == max(
        roc.point(index).accuracy for index in range(len(roc))
    )
    at_eer = roc.at(points["eer"].threshold or np.nan)
    assert at_eer.fmr == pytest.approx(at_eer.fnmr, abs=1e-3)
    for name, far, status in (("far_1e-1", 0.1, "measured"), ("far_1e-2", 0.01, "unstable")):
        assert 0 < (points[name].fmr or 0) <= far
        support = points[name].support
        assert support is not None
        assert (support.status, support.false_matches) == (status, 2000 * far)
    for point in (points["far_1e-3"], points["far_1e-4"]):  # two false matches, and none
        assert point.threshold is None
        assert point.support == FmrSupport(status=FmrStatus.NOT_MEASURABLE)
        assert "not measurable with 2,000 impostors" in (point.reason or "")


def test_calibration_says_how_many_people_are_behind_each_fmr() -> None:
    calibration = make(4000)
    assert calibration.identities == 6000
    supports = {point.name: point.support for point in calibration.operating_points}
    assert supports["best_accuracy"] is None
    assert supports["far_1e-1"] == FmrSupport(
        status=FmrStatus.MEASURED, false_matches=200, identities=400
    )


def test_one_kind_of_pairs_supports_the_best_accuracy_only() -> None:
    _, points = chosen([0.2, 0.4], [True, True])
    assert points["best_accuracy"].threshold == 0.2
    assert points["best_accuracy"].fmr is None
    assert points["eer"].threshold is None
    assert points["eer"].reason == "there is no impostor pair"


def test_no_pairs_support_nothing() -> None:
    _, points = chosen([], [])
    assert {point.threshold for point in points.values()} == {None}
    assert {point.reason for point in points.values()} == {"there are no pairs"}


def test_points_of_the_first_format_are_read() -> None:
    point = OperatingPoint.model_validate({"name": "eer", "threshold": 0.1, "far": 0.2, "tar": 0.8})
    assert point.fmr == 0.2
    assert OperatingPoint.model_validate_json(point.model_dump_json()) == point


MADE_WITH = Provenance(preprocessing="112 x 112", score="cosine", checkpoint="sha256:ab")


def make(pairs: int = 400) -> Calibration:
    same = np.arange(pairs) % 2 == 0
    scores = np.random.default_rng(0).normal(size=pairs) + 2 * same
    return calibrate(labelled(scores, same), split="val", pairs_sha256="cd", provenance=MADE_WITH)


def labelled(scores: npt.ArrayLike, same: npt.ArrayLike) -> LabelledScores:
    """Scores of pairs no two of which share a person."""
    genuine = np.asarray(same, bool)
    first = np.arange(genuine.size)
    return LabelledScores.of(scores, genuine, first, np.where(genuine, first, -1 - first))


def test_scores_below_0_such_as_distances_have_probabilities_too() -> None:
    same = np.arange(400) % 2 == 0
    scores = np.random.default_rng(0).normal(size=400) + 2 * same - 100
    found = calibrate(labelled(scores, same), split="val", pairs_sha256="", provenance=MADE_WITH)
    assert found.probability is not None
    assert found.probability_reason is None


@pytest.mark.parametrize("field", ["preprocessing", "score", "checkpoint"])
def test_it_is_refused_for_scores_that_are_made_otherwise(field: str) -> None:
    other = MADE_WITH.model_copy(update={field: "another"})
    ours = getattr(MADE_WITH, field)
    name = "loss" if field == "score" else field
    with pytest.raises(FacesimError, match=f"what differs:\n  {name}: {ours} -> another"):
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
        ([2e-310, 1e-310], [True, False], "no score is larger than 1e-300"),
    ],
)
def test_pairs_that_support_no_probability_say_why(
    scores: list[float], same: list[bool], reason: str
) -> None:
    scored = labelled(scores, same)
    calibration = calibrate(scored, split="val", pairs_sha256="cd", provenance=MADE_WITH)
    assert (calibration.probability, calibration.probability_reason) == (None, reason)


@pytest.mark.parametrize("unit", [1e200, 1e-200, 1e300, 1e-299])
def test_scores_of_any_unit_are_calibrated_alike(unit: float) -> None:
    same = np.arange(400) % 2 == 0
    scores = np.random.default_rng(0).normal(size=400) + 2 * same
    calibrations = [
        calibrate(labelled(made, same), split="val", pairs_sha256="cd", provenance=MADE_WITH)
        for made in (scores, scores * unit)
    ]
    ours, other = calibrations[0].probability, calibrations[1].probability
    assert ours is not None
    assert other is not None
    np.testing.assert_allclose(other.probability(scores * unit), ours.probability(scores))
    for before, after in zip(*(each.operating_points for each in calibrations), strict=True):
        assert (before.fmr, before.tar, before.reason) == (after.fmr, after.tar, after.reason)


def test_a_calibration_says_what_it_is_of() -> None:
    found = make(400)
    assert (found.split, found.pairs_sha256, found.provenance) == ("val", "cd", MADE_WITH)
    assert (found.pairs, found.genuine, found.identities) == (400, 200, 600)
    spreads = {point.name: point.spread is not None for point in found.operating_points}
    there = {point.name: point.threshold is not None for point in found.operating_points}
    assert spreads == there
    assert [point.name for point in found.operating_points] == [
        *("best_accuracy", "eer", "far_1e-1", "far_1e-2"),
        *("far_1e-3", "far_1e-4", "far_1e-5", "far_1e-6"),
    ]


def test_two_scores_are_enough_for_a_probability() -> None:
    found = calibrate(
        labelled(np.array([0.0, 1.0]), np.array([False, True])),
        split="val",
        pairs_sha256="",
        provenance=MADE_WITH,
    )
    assert found.probability is not None
    assert found.probability.genuine_share == 0.5
    assert found.probability.slope > 0
