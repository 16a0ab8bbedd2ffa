"""Planted label errors are listed, and clean labels are not."""

import math

import numpy as np
import pytest

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.label_suspects import (
    LabelSuspects,
    _binomial_tail,
    find_label_suspects,
)

IDENTITIES, IMAGES = 20, 8


def suspects(swapped: tuple[int, int] | None, merged: tuple[int, int] | None) -> LabelSuspects:
    """All pairs of a table whose scores follow the truth, not the labels.

    Args:
        swapped: two images that stand under each other's identity.
        merged: two identities that are one person.
    """
    return find_label_suspects(*scored_pairs(swapped, merged))


def scored_pairs(
    swapped: tuple[int, int] | None, merged: tuple[int, int] | None
) -> tuple[Int64Array, Int64Array, BoolArray, FloatArray]:
    """Rows, identities, whether genuine and scores of these pairs."""
    labels = np.repeat(np.arange(IDENTITIES), IMAGES)
    truth = labels.copy()
    if swapped:
        truth[list(swapped)] = truth[list(swapped)[::-1]]
    if merged:
        truth[truth == merged[1]] = merged[0]
    rows = np.argwhere(np.triu(np.ones((len(labels), len(labels)), bool), k=1)).astype(np.int64)
    alike = truth[rows[:, 0]] == truth[rows[:, 1]]
    scores = 4.0 * alike + np.random.default_rng(0).normal(size=len(rows))
    same = labels[rows[:, 0]] == labels[rows[:, 1]]
    return rows, labels[rows], same, scores


def test_clean_labels_gather_no_suspicion() -> None:
    found = suspects(None, None)
    assert found.gathered == ()
    assert found.genuine == ()


def test_two_images_under_each_others_name_are_listed_with_their_identities() -> None:
    found = suspects((3, 100), None)
    listed = {(suspect.kind, suspect.subject) for suspect in found.gathered}
    assert listed == {("image", (3,)), ("image", (100,)), ("two identities", (0, 12))}


def test_one_person_under_two_names_is_listed_as_two_identities() -> None:
    found = suspects(None, (4, 9))
    couples = [suspect.subject for suspect in found.gathered if suspect.kind == "two identities"]
    assert couples == [(4, 9)]


def test_single_pairs_are_those_beyond_99_percent_of_the_other_kind() -> None:
    same = np.repeat([True, False], 200)
    scores = np.concatenate([np.linspace(5, 6, 200), np.linspace(0, 1, 200)])
    scores[[7, 250]] = -1.0, 7.0
    rows = np.arange(800).reshape(400, 2)
    identities = np.where(same[:, None], rows[:, :1], rows)
    found = find_label_suspects(rows, identities, same, scores)
    assert (found.genuine, found.impostor) == ((7,), (250,))


def test_one_outlier_gathers_no_suspicion_however_rare_outliers_are() -> None:
    """The only genuine pair of person 1, among a thousand good ones of person 0."""
    same = np.repeat([True, False], [1001, 1001])
    rows = np.stack([np.arange(2002), np.arange(2002) + 2002], axis=1)
    identities = np.stack([np.zeros(2002, np.int64), np.where(same, 0, 2)], axis=1)
    identities[1000] = 1
    scores = np.where(same, 1.0, 0.0) + np.linspace(0, 0.1, 2002)
    scores[1000] = -1.0
    found = find_label_suspects(rows, identities, same, scores)
    assert found.gathered == ()
    assert found.genuine == (1000,)


def test_pairs_of_one_kind_show_nothing() -> None:
    one = np.zeros((1, 2), np.int64)
    nothing = LabelSuspects((), (), ())
    assert find_label_suspects(one, one, np.array([True]), np.array([0.5])) == nothing


@pytest.mark.parametrize("share", [0.1, 0.7, 1.0])
def test_binomial_tail_agrees_with_counting(share: float) -> None:
    counted = sum(
        math.comb(9, hits) * share**hits * (1 - share) ** (9 - hits) for hits in range(4, 10)
    )
    assert _binomial_tail(4, 9, share) == pytest.approx(counted)


def test_a_suspect_says_its_outliers_its_pairs_and_the_most_extreme_of_them() -> None:
    found = suspects((3, 100), None).gathered
    images = {suspect.subject: suspect for suspect in found if suspect.kind == "image"}
    assert {suspect.pairs for suspect in images.values()} == {IMAGES - 1}
    rows, identities, same, scores = scored_pairs((3, 100), None)
    for (image,), suspect in images.items():
        own = np.flatnonzero((rows == image).any(axis=1) & same)
        assert suspect.worst == own[scores[own].argmin()]
        assert 2 <= suspect.outliers <= suspect.pairs
    (couple,) = (suspect for suspect in found if suspect.kind == "two identities")
    assert couple.pairs == IMAGES**2
    between = np.flatnonzero((identities == couple.subject).all(axis=1))
    assert couple.worst == between[scores[between].argmax()]


def test_a_score_at_the_median_or_the_quantile_of_the_other_kind_is_no_outlier() -> None:
    """All pairs of either kind have one score."""
    same = np.repeat([True, False], 50)
    rows = np.arange(200).reshape(100, 2)
    identities = np.where(same[:, None], 0, np.array([[1, 2]]))
    found = find_label_suspects(rows, identities, same, np.full(100, 0.5))
    assert found == LabelSuspects((), (), ())


def test_single_pairs_come_the_most_extreme_first() -> None:
    same = np.repeat([True, False], 1000)
    scores = np.where(same, 5.0, 0.0) + np.tile(np.linspace(0, 1, 1000), 2)
    scores[[7, 9, 8]] = -1.0, -3.0, -2.0
    scores[[1007, 1009, 1008]] = 7.0, 9.0, 8.0
    rows = np.arange(4000).reshape(2000, 2)
    identities = np.where(same[:, None], rows[:, :1], rows)
    found = find_label_suspects(rows, identities, same, scores)
    assert (found.genuine, found.impostor) == ((9, 8, 7), (1009, 1008, 1007))
