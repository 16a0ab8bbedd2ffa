"""The pairs of a seed are the same for ever: a run may go on with a later version of facesim."""

from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch

from facesim import MiningSampler, Sampler, samplers

IDENTITIES = np.repeat(np.arange(40), np.arange(40) % 7 + 1)
# Whole numbers on a line, whose distances are exact whatever computes them.
PLACES = torch.from_numpy(np.random.default_rng(0).permutation(len(IDENTITIES)))
EMBEDDINGS = torch.stack([PLACES, torch.ones_like(PLACES)], 1).float()

RECORDED = {
    "curriculum": [1803133200, 2098153902, 4211393476],
    "hard_pairs": [1172939234, 1642108094, 2352964679],
    "identity_balanced": [3467979201, 3042866629, 1871226317],
    "random_pairs": [1803133200, 2622151465, 1087706257],
}
"""The first epoch of a curriculum has random pairs."""


def build(name: str) -> Sampler:
    needed = {} if name == "identity_balanced" else {"pairs_per_image": 1.5}
    sampler: Any = samplers.spec(name, **needed).build(IDENTITIES, 16, 3)
    if isinstance(sampler, MiningSampler):
        sampler.mine(EMBEDDINGS, 1)
    assert isinstance(sampler, Sampler)
    return sampler


def sum_of(sampler: Sampler, epoch: int) -> int:
    rows = [batch.images[batch.pairs].numpy() for batch in sampler.batches(epoch)]
    return crc32(np.concatenate(rows).astype("<i8").tobytes())


@pytest.mark.parametrize("name", [name for name in samplers.names() if name != "from_file"])
def test_a_seed_and_an_epoch_mean_the_same_pairs_for_ever(name: str) -> None:
    sampler = build(name)
    assert [sum_of(sampler, epoch) for epoch in (0, 1, 4)] == RECORDED[name]
