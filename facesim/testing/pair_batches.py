"""Small batches of every composition that training can encounter."""

from collections.abc import Callable
from itertools import combinations

import torch

from facesim.interfaces import PairBatch


def batch_of(identities: list[int], keep: Callable[[bool], bool] = lambda _: True) -> PairBatch:
    """Those pairs of the images, given by their identities, whose label ``keep`` accepts."""
    rows = [
        (first, second)
        for first, second in combinations(range(len(identities)), 2)
        if keep(identities[first] == identities[second])
    ]
    pairs = torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)
    of_images = torch.tensor(identities)
    same = of_images[pairs[:, 0]] == of_images[pairs[:, 1]]
    return PairBatch(torch.arange(len(identities)), of_images, pairs, same)


ALL_PAIRS = batch_of([0, 0, 1, 1, 2, 3])

COMPOSITIONS = {
    "every pair of 6 images": ALL_PAIRS,
    "two images and no pair": batch_of([0, 1], lambda same: same),
    "genuine pairs only": batch_of([0, 0, 0, 1, 1], lambda same: same),
    "impostor pairs only": batch_of([0, 1, 2, 3]),
    "one identity": batch_of([2, 2, 2]),
    "one image": batch_of([1]),
}


def reordered_pairs(batch: PairBatch) -> PairBatch:
    """The same pairs in another order, each with its sides exchanged."""
    order = torch.randperm(len(batch.pairs))
    return PairBatch(batch.images, batch.identities, batch.pairs[order].flip(1), batch.same[order])


def reversed_images(batch: PairBatch) -> PairBatch:
    """The same images in reverse order, and the same pairs."""
    return PairBatch(
        batch.images.flip(0),
        batch.identities.flip(0),
        len(batch.images) - 1 - batch.pairs,
        batch.same,
    )
