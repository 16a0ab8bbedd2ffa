"""Mining the hardest genuine and impostor partner of every image.

No distance matrix of the whole table is computed: a block of images is compared with a random
pool, and an image with a bounded number of others of its identity.
"""

import numpy as np
import torch
from torch import Tensor

from facesim import Int64Array, PairSpace

_IMAGES_PER_POOL = 256  # with larger blocks a few images of a pool would be everybody's partner
_BLOCK = 1 << 14


def nearest_impostors(
    embeddings: Tensor, space: PairSpace, pool: int, generator: np.random.Generator
) -> Int64Array:
    """For every image the nearest of ``pool`` random images of other identities.

    Args:
        embeddings: float32 [N, D], on the CPU.
        space: the pairs of the table; it has two identities at least.
        pool: images compared with each; those that show the same identity do not count.
        generator: the only source of randomness.

    Returns:
        int64 [N], rows of the table. Where a pool holds no impostor, any image of another identity.
    """
    identity = np.empty(len(embeddings), np.int64)
    identity[space.order] = np.repeat(np.arange(len(space.bounds) - 1), np.diff(space.bounds))
    partner = _any_impostors(space, identity, generator)
    for block in np.array_split(
        generator.permutation(len(embeddings)), max(len(embeddings) // _IMAGES_PER_POOL, 1)
    ):
        candidates = generator.integers(len(embeddings), size=pool)
        distance = torch.cdist(embeddings[block], embeddings[candidates])
        same = torch.from_numpy(identity[block, None] == identity[candidates])
        least, place = distance.masked_fill(same, torch.inf).min(dim=1)
        found = least.isfinite().numpy()
        partner[block[found]] = candidates[place.numpy()[found]]
    return partner


def farthest_genuine(
    embeddings: Tensor, space: PairSpace, most: int, generator: np.random.Generator
) -> Int64Array:
    """For every image the farthest of its identity, or of ``most`` others of it at random.

    Args:
        embeddings: float32 [N, D], on the CPU.
        space: the pairs of the table.
        most: images compared with each.
        generator: the only source of randomness.

    Returns:
        int64 [N], rows of the table; -1 for the only image of an identity.
    """
    images = np.diff(space.bounds)
    start = np.repeat(space.bounds[:-1], images)
    others = np.repeat(images, images) - 1
    # Each image is compared with the next ones of its identity, which this makes random ones.
    order = space.order[np.lexsort((generator.permutation(len(start)), start))]
    partner = np.full(len(embeddings), -1, np.int64)
    for begin in range(0, len(order), _BLOCK):
        block = slice(begin, min(begin + _BLOCK, len(order)))
        farthest = torch.full((len(order[block]),), -1.0)
        for step in range(1, min(most, int(others[block].max(initial=0))) + 1):
            there = np.flatnonzero(others[block] >= step) + block.start
            place = start[there] + (there - start[there] + step) % (others[there] + 1)
            difference = embeddings[order[there]] - embeddings[order[place]]
            distance = torch.linalg.vector_norm(difference, dim=1)
            farther = (distance > farthest[there - block.start]).numpy()
            farthest[there[farther] - block.start] = distance[torch.from_numpy(farther)]
            partner[order[there[farther]]] = order[place[farther]]
    return partner


def _any_impostors(
    space: PairSpace, identity: Int64Array, generator: np.random.Generator
) -> Int64Array:
    """For every image a random one of another identity.

    The images of an identity are contiguous in ``space.order``: skip them by adding their number.
    """
    start, end = space.bounds[identity], space.bounds[identity + 1]
    place = generator.integers(len(identity) - (end - start))
    other: Int64Array = space.order[place + (end - start) * (place >= start)]
    return other
