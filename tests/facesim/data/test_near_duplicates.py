"""Near duplicates by bands of bits, against a comparison of all with all."""

import numpy as np
import pytest

from facesim.data import near_duplicates as module
from facesim.data.near_duplicates import MAX_DISTANCE, Hashes, near_duplicates


def random_hashes(count: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 256, (count, 32)).astype(np.uint8)


def with_flipped_bits(bits_of: Hashes, bits: int, seed: int) -> Hashes:
    which = np.random.default_rng(seed).choice(256, bits, replace=False)
    flipped = np.unpackbits(bits_of)
    flipped[which] ^= 1
    return np.packbits(flipped)


def naive(left: Hashes, right: Hashes) -> list[list[int]]:
    return [
        [a, b]
        for a in range(len(left))
        for b in range(len(right))
        if np.unpackbits(left[a] ^ right[b]).sum() <= MAX_DISTANCE
    ]


def test_what_differs_by_few_bits_is_found_wherever_they_are() -> None:
    left, right = random_hashes(60, 0), random_hashes(50, 1)
    for number in range(40):
        right[number] = with_flipped_bits(left[number % 30], number % 20, seed=number)
    found = near_duplicates(left, right)
    assert found.tolist() == naive(left, right)
    assert found.dtype == np.int64
    assert len(found) > 20


def test_the_most_bits_that_may_differ_spoil_a_band_each() -> None:
    left = random_hashes(1, 0)
    bits = np.unpackbits(left[0])
    for band in np.array_split(np.arange(256), MAX_DISTANCE + 1)[:MAX_DISTANCE]:
        bits[band[0]] ^= 1
    assert near_duplicates(left, np.packbits(bits)[None]).tolist() == [[0, 0]]


@pytest.mark.parametrize(("left", "right"), [(0, 3), (3, 0), (0, 0), (3, 3)])
def test_nothing_in_common_is_nothing_found(left: int, right: int) -> None:
    assert near_duplicates(random_hashes(left, 0), random_hashes(right, 1)).shape == (0, 2)


def test_many_equal_pictures_are_each_compared_with_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_GROUP", 5)
    blank = np.zeros((40, 32), np.uint8)
    found = near_duplicates(blank, blank)
    assert np.bincount(found[:, 0]).tolist() == [5] * 40
