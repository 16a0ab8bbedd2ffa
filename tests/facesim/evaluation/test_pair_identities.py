"""Whom the two sides of a pair show, where the list and the table differ."""

import numpy as np
import pytest

from facesim.errors import FacesimError
from facesim.evaluation.pair_identities import checked_identities, effective_pair_identities
from facesim.interfaces import PairSet

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
    checked_identities(first, second, pairs.same)
    np.testing.assert_array_equal(IDENTITIES, [0, 0, 1, 2])


def test_identities_that_contradict_same_are_refused() -> None:
    with pytest.raises(FacesimError, match="1 pairs contradict their identities"):
        checked_identities([0, 1], [0, 1], np.array([True, False]))
