import math
import warnings
from random import Random

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from facesim.arrays import BoolArray, FloatArray
from facesim.errors import FacesimError
from facesim.interfaces.roc import Roc

Pairs = list[tuple[float, bool]]


def draw(kind: str, seed: int) -> tuple[FloatArray, BoolArray]:
    """Scores and kinds of pairs: continuous, tied or tiny."""
    generator = np.random.default_rng(seed)
    pairs = {"random": 700, "tied": 700, "tiny": 4}[kind]
    same = np.arange(pairs) % 3 == 0
    scores = generator.normal(size=pairs) + same
    return (np.round(scores, 1) if kind == "tied" else scores), same


EVERY_KIND = pytest.mark.parametrize("kind", ["random", "tied", "tiny"])
few_pairs = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=0, max_size=12)


@EVERY_KIND
@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_that_of_scikit_learn(kind: str, seed: int) -> None:
    scores, same = draw(kind, seed)
    far, tar, thresholds = sklearn.metrics.roc_curve(same, scores, drop_intermediate=False)
    roc = Roc.of_scores(scores, same)
    np.testing.assert_allclose(roc.fmr, far, rtol=0, atol=1e-12)
    np.testing.assert_allclose(roc.tar, tar, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(roc.thresholds, thresholds)


@EVERY_KIND
@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_that_of_scikit_learn(kind: str, seed: int) -> None:
    scores, same = draw(kind, seed)
    expected = sklearn.metrics.roc_auc_score(same, scores)
    assert Roc.of_scores(scores, same).area == pytest.approx(expected, abs=1e-12)


@EVERY_KIND
def test_weights_are_those_of_scikit_learn(kind: str) -> None:
    scores, same = draw(kind, 0)
    weights = np.random.default_rng(1).integers(0, 4, len(scores))
    weights[:2] = 1
    expected = sklearn.metrics.roc_auc_score(same, scores, sample_weight=weights)
    assert Roc.of_scores(scores, same, weights).area == pytest.approx(expected, abs=1e-12)


@EVERY_KIND
def test_a_weight_repeats_a_pair(kind: str) -> None:
    scores, same = draw(kind, 0)
    weights = np.random.default_rng(1).integers(1, 4, len(scores))
    weighted = Roc.of_scores(scores, same, weights)
    repeated = Roc.of_scores(np.repeat(scores, weights), np.repeat(same, weights))
    for name in ("thresholds", "true_accepts", "false_accepts"):
        np.testing.assert_array_equal(getattr(weighted, name), getattr(repeated, name))


@pytest.mark.parametrize("kind_of_pairs", [True, False])
def test_one_kind_of_pairs_has_the_rates_of_scikit_learn_and_no_area(kind_of_pairs: bool) -> None:
    scores, same = [0.1, 0.1, 0.7], [kind_of_pairs] * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        far, tar, _ = sklearn.metrics.roc_curve(same, scores, drop_intermediate=False)
    roc = Roc.of_scores(scores, same)
    np.testing.assert_allclose(roc.fmr, far, atol=1e-12, equal_nan=True)
    np.testing.assert_allclose(roc.tar, tar, atol=1e-12, equal_nan=True)
    assert math.isnan(roc.area)


def test_no_pairs_have_a_curve_of_one_point_and_no_rates() -> None:
    roc = Roc.of_scores([], [])
    assert (len(roc), roc.genuine, roc.impostor) == (1, 0, 0)
    assert math.isnan(roc.area)
    assert math.isnan(roc.at(0.5).accuracy)
    assert math.isnan(roc.threshold_at(0))
    assert roc.missing == "there are no pairs"


@given(few_pairs, st.floats(-4, 4))
def test_a_threshold_accepts_the_scores_at_or_above_it(pairs: Pairs, threshold: float) -> None:
    at = Roc.of_scores([s for s, _ in pairs], [same for _, same in pairs]).at(threshold)
    assert at.true_accepts == sum(same and score >= threshold for score, same in pairs)
    assert at.false_accepts == sum(not same and score >= threshold for score, same in pairs)
    if pairs:
        correct = sum((score >= threshold) == same for score, same in pairs)
        assert at.accuracy == correct / len(pairs)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(few_pairs.filter(lambda pairs: len({same for _, same in pairs}) == 2))
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: Pairs) -> None:
    scores, same = np.array([s for s, _ in pairs]), np.array([same for _, same in pairs])
    expected = sklearn.metrics.balanced_accuracy_score(same, scores >= 1)
    got = Roc.of_scores(scores, same).at(1).balanced_accuracy
    assert got == pytest.approx(expected, abs=1e-12)


@given(few_pairs)
def test_the_threshold_of_a_point_accepts_what_the_point_accepts(pairs: Pairs) -> None:
    roc = Roc.of_scores([s for s, _ in pairs], [same for _, same in pairs])
    for index in range(len(roc)):
        assert roc.at(roc.threshold_at(index)) == roc.point(index)


def test_the_threshold_of_a_point_lies_midway_between_scores() -> None:
    roc = Roc.of_scores([0.2, 0.6, 0.8], [False, True, True])
    assert roc.threshold_at(2) == pytest.approx(0.4)
    assert roc.threshold_at(3) == 0.2
    assert 0.8 < roc.threshold_at(0) < 0.8 + 1e-9


@pytest.mark.parametrize("lower", [1.0, -1.0, 0.0, 1e300, 5e-324])
def test_neighbouring_floats_are_told_apart(lower: float) -> None:
    scores = [lower, np.nextafter(lower, np.inf)]
    roc = Roc.of_scores(scores, [False, True])
    assert roc.at(roc.threshold_at(1)) == roc.point(1)


def test_neighbouring_float32_scores_are_told_apart() -> None:
    scores = np.array([1, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    roc = Roc.of_scores(scores, [False, True])
    assert roc.at(roc.threshold_at(1)).accuracy == 1.0


def test_the_extremes_of_floats_have_a_middle() -> None:
    roc = Roc.of_scores([-1.7e308, 1.7e308], [False, True])
    assert roc.at(roc.threshold_at(1)).accuracy == 1.0


@given(few_pairs.filter(bool))
def test_no_threshold_is_more_accurate_than_the_best_and_none_as_accurate_is_higher(
    pairs: Pairs,
) -> None:
    roc = Roc.of_scores([s for s, _ in pairs], [same for _, same in pairs])
    best = roc.best_accuracy_point()
    accuracies = [roc.point(index).accuracy for index in range(len(roc))]
    assert accuracies.index(max(accuracies)) == best


@given(few_pairs, st.randoms())
def test_the_order_of_pairs_does_not_matter(pairs: Pairs, random: Random) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    curves = [Roc.of_scores([s for s, _ in p], [same for _, same in p]) for p in (pairs, shuffled)]
    np.testing.assert_array_equal(curves[0].thresholds, curves[1].thresholds)
    np.testing.assert_array_equal(curves[0].true_accepts, curves[1].true_accepts)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_broken_scores_are_refused_with_their_place(broken: float) -> None:
    with pytest.raises(
        FacesimError, match="1 of 3 scores are NaN or infinite, the first at pair 1"
    ):
        Roc.of_scores([0.1, broken, 0.2], [True, False, True])


@pytest.mark.parametrize(("scores", "same"), [([0.1], [True, False]), ([[0.1]], [[True]])])
def test_arrays_of_other_shapes_are_refused(scores: list[float], same: list[bool]) -> None:
    with pytest.raises(FacesimError, match="one entry per pair"):
        Roc.of_scores(scores, same)


@EVERY_KIND
def test_corners_draw_the_same_curve_with_no_point_too_many(kind: str) -> None:
    roc = Roc.of_scores(*draw(kind, 0))
    far, tar = roc.fmr[roc.corners()], roc.tar[roc.corners()]
    assert sklearn.metrics.auc(far, tar) == pytest.approx(roc.area, abs=1e-12)
    turns = np.diff(far)[:-1] * np.diff(tar)[1:] - np.diff(far)[1:] * np.diff(tar)[:-1]
    assert len(far) < len(roc)
    if kind == "random":
        assert (np.abs(turns) > 0).all()


def test_det_holds_both_error_rates_of_each_corner() -> None:
    roc = Roc.of_scores([0.9, 0.8, 0.7, 0.6], [True, False, True, False])
    expected = [(0, 1), (0, 0.5), (0.5, 0.5), (0.5, 0), (1, 0)]
    np.testing.assert_array_equal(roc.det(), expected)
