"""Pair numbering and drawing, against loops over all pairs."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facesim.data.pair_drawing import PairSpace
from facesim.errors import FacesimError

identity_lists = st.lists(st.integers(0, 12), max_size=40).map(lambda x: np.array(x, np.int64))


def pairs_by_loop(identities: np.ndarray, same: bool) -> set[frozenset[int]]:
    return {
        frozenset((a, b))
        for a, b in combinations(range(len(identities)), 2)
        if (identities[a] == identities[b]) == same
    }


def as_sets(rows: np.ndarray) -> list[frozenset[int]]:
    return [frozenset(pair) for pair in rows.tolist()]


def draw(identities: list[int], genuine: int, impostor: int, seed: int = 0) -> np.ndarray:
    space = PairSpace.of(np.array(identities))
    return space.rows(space.draw(genuine, impostor, np.random.default_rng(seed)))


@given(identity_lists)
@settings(deadline=None)
def test_every_pair_has_one_number_and_every_number_one_pair(identities: np.ndarray) -> None:
    space = PairSpace.of(identities)
    numbers = np.arange(space.genuine + space.impostor)
    pairs = as_sets(space.rows(numbers))
    genuine, impostor = pairs[: space.genuine], pairs[space.genuine :]
    assert Counter(genuine) == Counter(pairs_by_loop(identities, same=True))
    assert Counter(impostor) == Counter(pairs_by_loop(identities, same=False))
    assert space.same(numbers).tolist() == [True] * space.genuine + [False] * space.impostor


def test_numbers_stay_exact_where_pairs_outnumber_what_float32_and_int32_hold() -> None:
    images = 40_000_000
    space = PairSpace(
        order=np.arange(0),
        bounds=np.array([0, images, images + 3]),
        genuine_before=np.array([0, images * (images - 1) // 2, images * (images - 1) // 2 + 3]),
        impostor_before=np.array([0, 3 * images, 3 * images]),
    )
    seconds = np.array([1, 2, 94_906_267 % images, images - 2, images - 1])
    first_of_second = seconds * (seconds - 1) // 2
    expected_first = np.stack([np.zeros_like(seconds), seconds], axis=1)
    expected_last = np.stack([seconds - 1, seconds], axis=1)
    np.testing.assert_array_equal(space._genuine(first_of_second), expected_first)
    np.testing.assert_array_equal(space._genuine(first_of_second + seconds - 1), expected_last)


@pytest.mark.parametrize(("genuine", "impostor"), [(3, 4), (10, 37), (0, 5), (5, 0), (13, 65)])
def test_no_pair_is_drawn_twice_while_distinct_ones_remain(genuine: int, impostor: int) -> None:
    identities = [0] * 5 + [1] * 3 + [2] + [3] * 1 + [4] * 3  # 16 genuine pairs, 62 impostors
    rows = draw(identities, min(genuine, 16), min(impostor, 62))
    assert len(set(as_sets(rows))) == len(rows)
    assert (rows[:, 0] != rows[:, 1]).all()


def test_the_classes_have_the_sizes_asked_for_and_are_shuffled_together() -> None:
    identities = np.repeat(np.arange(100), 10)
    space = PairSpace.of(identities)
    numbers = space.draw(300, 700, np.random.default_rng(0))
    rows = space.rows(numbers)
    same = identities[rows[:, 0]] == identities[rows[:, 1]]
    np.testing.assert_array_equal(same, space.same(numbers))
    assert same.sum() == 300
    assert 100 < same[:500].sum() < 200


def test_when_pairs_run_out_each_comes_as_often_as_any_other_to_within_one() -> None:
    rows = draw([0, 0, 0, 1, 2], genuine=8, impostor=10)
    counts = Counter(as_sets(rows))
    genuine = pairs_by_loop(np.array([0, 0, 0, 1, 2]), same=True)
    assert sorted(counts[pair] for pair in genuine) == [2, 3, 3]
    assert sorted(counts[pair] for pair in counts if pair not in genuine) == [1, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8], ids=["few", "many", "most"])
def test_every_pair_of_a_class_is_equally_likely(share: float) -> None:
    """Chi-squared over repeated draws, for each way of drawing distinct numbers."""
    identities = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 9])
    space = PairSpace.of(identities)
    genuine, impostor = round(space.genuine * share) or 1, round(space.impostor * share)
    repeats = 4000
    counts = np.zeros(space.genuine + space.impostor)
    generator = np.random.default_rng(7)
    for _ in range(repeats):
        counts[space.draw(genuine, impostor, generator)] += 1
    for drawn, total, observed in (
        (genuine, space.genuine, counts[: space.genuine]),
        (impostor, space.impostor, counts[space.genuine :]),
    ):
        probability = drawn / total
        variance = repeats * probability * (1 - probability)
        chi_squared = ((observed - repeats * probability) ** 2).sum() / variance
        # mean total - 1, standard deviation about sqrt(2 total): six of them is never by chance
        assert abs(chi_squared - total) < 6 * np.sqrt(2 * total)


def test_the_same_seed_draws_the_same_pairs_and_another_draws_others() -> None:
    identities = np.repeat(np.arange(50), 4).tolist()
    first, again, other = (draw(identities, 20, 20, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_seed_draws_the_pairs_that_it_drew_in_earlier_versions() -> None:
    """Runs and studies of before go on with theirs; few and many pairs are drawn in other ways."""
    space = PairSpace.of(np.repeat(np.arange(6), [1, 2, 3, 5, 8, 9]))
    few, many = (space.draw(*each, np.random.default_rng(7)) for each in ((2, 4), (40, 150)))
    assert few.tolist() == [310, 72, 250, 48, 345, 281]
    assert many[:8].tolist() == [1, 72, 162, 121, 319, 243, 114, 170]
    assert int(many @ np.arange(1, 191)) == 3462262


def test_an_identity_with_one_image_takes_part_in_impostor_pairs_only() -> None:
    rows = draw([0, 1, 1, 2], genuine=1, impostor=5)
    assert Counter(as_sets(rows)) == Counter(
        map(frozenset, [(1, 2), (0, 1), (0, 2), (0, 3), (1, 3), (2, 3)])
    )


def test_millions_of_rows_are_drawn_from_without_listing_their_pairs() -> None:
    identities = np.random.default_rng(0).integers(200_000, size=2_000_000)
    space = PairSpace.of(identities)
    rows = space.rows(space.draw(10_000, 10_000, np.random.default_rng(0)))
    assert (identities[rows[:, 0]] == identities[rows[:, 1]]).sum() == 10_000
    assert len(np.unique(np.sort(rows, axis=1), axis=0)) == 20_000


@pytest.mark.parametrize(
    ("identities", "genuine", "impostor", "message"),
    [
        ([0, 1, 2], 1, 1, "no genuine pair.*each of the 3 identities has one image"),
        ([4, 4, 4], 1, 1, "no impostor pair.*all 3 images show one identity"),
    ],
)
def test_an_impossible_class_of_pairs_is_named(
    identities: list[int], genuine: int, impostor: int, message: str
) -> None:
    with pytest.raises(FacesimError, match=message):
        draw(identities, genuine, impostor)


def test_a_class_that_is_not_asked_for_need_not_exist() -> None:
    assert len(draw([0, 1, 2], genuine=0, impostor=2)) == 2
    assert len(draw([4, 4, 4], genuine=2, impostor=0)) == 2


@pytest.mark.parametrize(
    ("images", "pairs_per_image", "same_fraction", "expected"),
    [
        (200, 1.0, 0.5, (100, 100)),
        (101, 0.1, 0.3, (3, 7)),
        (101, 0.1, 0.37, (4, 6)),
        (10, 0.1, 1.0, (1, 0)),
    ],
)
def test_counts_are_the_nearest_whole_pairs(
    images: int, pairs_per_image: float, same_fraction: float, expected: tuple[int, int]
) -> None:
    space = PairSpace.of(np.arange(images))
    assert space.count(pairs_per_image, same_fraction) == expected


def test_a_share_that_makes_no_pair_says_which_share_would() -> None:
    with pytest.raises(
        FacesimError, match=r"0\.001 over 100 images is less than one pair; use 0\.01 "
    ):
        PairSpace.of(np.arange(100)).count(0.001, 0.5)
    with pytest.raises(FacesimError, match="a pair needs two images; the table has 1"):
        PairSpace.of(np.arange(1)).count(10.0, 0.5)
