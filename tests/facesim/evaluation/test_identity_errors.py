"""Error rates of single identities: counts by hand, and intervals that cover what they say."""

from math import erf, sqrt

import numpy as np

from facesim.arrays import BoolArray, FloatArray, Int64Array
from facesim.evaluation.identity_errors import IdentityErrors, identity_errors


def measured(
    rows: Int64Array, identities: Int64Array, accepted: BoolArray, most: int = 100
) -> list[IdentityErrors]:
    """Of pairs of images int64 [P, 2] whose identities are int64 [N]."""
    files = np.array([[f"{a}.png", f"{b}.png"] for a, b in rows], dtype=object)
    return identity_errors(files, identities[rows], accepted, most=most)


def test_pairs_and_errors_are_counted_on_either_side_and_genuine_pairs_once() -> None:
    identities = np.array([7, 7, 7, 3, 3])
    rows = np.array([[0, 1], [1, 2], [0, 3], [4, 1], [3, 4]])
    second, first = measured(rows, identities, np.array([True, False, True, False, True]))
    assert (first.identity, first.errors) == (3, 1)
    assert (first.fnmr.pairs, first.fnmr.errors, first.fmr.pairs, first.fmr.errors) == (1, 0, 2, 1)
    assert (second.identity, second.errors) == (7, 2)
    assert (second.fnmr.pairs, second.fnmr.errors) == (2, 1)
    assert second.fmr.estimate.value == 0.5
    assert second.fmr.estimate.reason == "only 2 pairs"


def test_those_with_the_most_errors_come_first_and_no_more_than_asked_for() -> None:
    identities = np.repeat([0, 1, 2], 2)
    rows = np.array([[0, 1], [2, 3], [4, 5], [2, 4]])
    found = measured(rows, identities, np.array([True, False, False, True]), most=2)
    assert [(each.identity, each.errors) for each in found] == [(1, 2), (2, 2)]


def test_one_image_is_too_little_for_an_interval() -> None:
    identities = np.array([0, 0, *range(1, 9)])
    rows = np.array([[0, other] for other in range(1, 10)])
    (found, *_) = measured(rows, identities, np.ones(9, bool))
    assert found.fmr.pairs == 8
    assert found.fmr.estimate.low is None
    reason = found.fmr.estimate.reason or ""
    assert reason.startswith("the pairs amount to ")
    assert reason.endswith(" independent images or people; an interval needs 3")


def test_intervals_cover_the_rate_on_other_images_of_the_person_and_nobody_stands_out() -> None:
    """Images differ in how easy they are, people do not: a family-wise error is rare."""
    generator = np.random.default_rng(3)
    covered, marked = [], 0
    chance = 0.5 * (1 - erf(1.3 / sqrt(1.5) / sqrt(2)))
    for _ in range(8):
        identities, rows, same = _drawn_pairs(generator, people=20, images=12, pairs=2_500)
        ease = generator.normal(0, 0.5, len(identities))
        scores = _scores(generator, rows, same, ease)
        for each in measured(rows, identities, scores >= 0):
            estimate = each.fnmr.estimate
            assert estimate.low is not None
            assert estimate.high is not None
            covered.append(estimate.low <= chance <= estimate.high)
            marked += each.fnmr.is_high + each.fmr.is_high
    assert 0.93 <= np.mean(covered) <= 0.995
    assert marked == 0


def test_somebody_who_is_much_harder_to_recognise_is_marked() -> None:
    generator = np.random.default_rng(5)
    identities, rows, same = _drawn_pairs(generator, people=20, images=12, pairs=2_500)
    scores = _scores(generator, rows, same, np.zeros(len(identities)))
    scores -= 2.5 * (same & (identities[rows[:, 0]] == 4))
    found = {each.identity: each for each in measured(rows, identities, scores >= 0)}
    assert [identity for identity, each in found.items() if each.fnmr.is_high] == [4]
    assert not any(each.fmr.is_high for each in found.values())


def _drawn_pairs(
    generator: np.random.Generator, *, people: int, images: int, pairs: int
) -> tuple[Int64Array, Int64Array, BoolArray]:
    """Half of them genuine."""
    identities = np.repeat(np.arange(people), images)
    rows = generator.integers(0, len(identities), (3 * pairs, 2))
    same = np.arange(3 * pairs) % 2 == 0
    own = generator.integers(0, images, 3 * pairs)
    rows[same, 1] = (identities[rows[:, 0]] * images + own)[same]
    agrees = (identities[rows[:, 0]] == identities[rows[:, 1]]) == same
    kept = np.flatnonzero(agrees & (rows[:, 0] != rows[:, 1]))[:pairs]
    return identities, rows[kept], same[kept]


def _scores(
    generator: np.random.Generator, rows: Int64Array, same: BoolArray, ease: FloatArray
) -> FloatArray:
    noise: FloatArray = generator.normal(size=len(rows))
    scores: FloatArray = np.where(same, 1.3, -1.3) + ease[rows].sum(axis=1) + noise
    return scores
