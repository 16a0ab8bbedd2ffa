"""Scored comparisons: validation, and identities where a list contradicts the table."""

import numpy as np
import pytest

from facesim.errors import FacesimError
from facesim.interfaces import PairSet
from facesim.interfaces.roc import Roc
from facesim.interfaces.scores import LabelledScores, effective_pair_identities

IDENTITIES = np.array([0, 0, 1, 2])


def test_pairs_that_agree_with_the_table_have_its_identities() -> None:
    pairs = PairSet(np.array([[0, 1], [0, 2], [3, 1]]), np.array([True, False, False]))
    first, second = effective_pair_identities(pairs, IDENTITIES)
    np.testing.assert_array_equal(first, [0, 0, 2])
    np.testing.assert_array_equal(second, [0, 1, 0])


def test_where_the_list_contradicts_the_table_the_list_counts() -> None:
    pairs = PairSet(
        np.array([[0, 2], [0, 1], [1, 0], [2, 3]]), np.array([True, False, False, False])
    )
    first, second = effective_pair_identities(pairs, IDENTITIES)
    np.testing.assert_array_equal(first, [0, 0, 0, 1])
    np.testing.assert_array_equal(second, [0, 3, 4, 2])
    LabelledScores.of(np.zeros(4), pairs.same, first, second)
    np.testing.assert_array_equal(IDENTITIES, [0, 0, 1, 2])


def test_identities_that_contradict_same_are_refused() -> None:
    with pytest.raises(FacesimError, match="1 pairs contradict their identities"):
        LabelledScores.of([0.1, 0.2], [True, False], [0, 1], [0, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([0.1], [1, 0], [0, 0], [0, 1]), "each needs one entry per pair"),
        (([0.1, 0.2], [1, 0], [0], [0, 1]), "each needs one entry per pair"),
        (([0.1, float("nan")], [1, 0], [0, 0], [0, 1]), "1 of 2 scores are NaN or infinite"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(
    arrays: tuple[list[float], ...], message: str
) -> None:
    with pytest.raises(FacesimError, match=message):
        LabelledScores.of(*arrays)


def test_the_curve_knows_the_comparisons_and_weights_that_it_counts() -> None:
    scored = LabelledScores.of([0.9, 0.5, 0.1], [1, 1, 0], [3, 4, 3], [3, 4, 5])
    assert scored.roc().labelled is scored
    assert scored.roc().weights is None
    weights = np.array([2, 0, 1])
    weighted = scored.roc(weights)
    assert (weighted.genuine, weighted.impostor) == (2, 1)
    assert weighted.weights is weights
    assert scored.roc().area == Roc.of_scores(scored.scores, scored.same).area


def test_scores_of_other_comparisons_are_told_apart() -> None:
    scored = LabelledScores.of([0.9, 0.1], [1, 0], [3, 3], [3, 5])
    rescored = LabelledScores.of([0.5, 0.6], [1, 0], [3, 3], [3, 5])
    others = LabelledScores.of([0.9, 0.1], [1, 0], [4, 4], [4, 5])
    assert scored.has_same_comparisons_as(rescored)
    assert not scored.has_same_comparisons_as(others)
