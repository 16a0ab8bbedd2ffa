"""Batches of some identities with some images each, and all pairs among them."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from facesim import FacesimError, PairBatch, Sampler, samplers
from facesim.arrays import Int64Array
from facesim.data.pair_drawing import PairSpace, require_pairs


@samplers(
    "identity_balanced",
    starter="{name: identity_balanced, images_per_identity: 3} # 16 people with 3 images each",
)
class IdentityBalanced(Sampler):
    """P identities with K images each a batch, and every pair that they form.

    Every image comes exactly once an epoch. An identity with more than K images is split at
    random into groups of equal size, at most K and to within one image; an identity with fewer
    than K forms one group of what it has, and one with a single image meets the others as an
    impostor. The groups are dealt over the batches as cards are, so all batches hold P groups or
    one less, and two groups of one identity share a batch only if it has more groups than the
    epoch has batches.

    The batches of Schroff, Kalenichenko, Philbin: FaceNet (2015), and Hermans, Beyer, Leibe: In
    Defense of the Triplet Loss (2017).

    Args:
        identities: int64 [N], the identity of every row of the table.
        batch_size: P times K, the most images that a batch holds.
        seed: together with the epoch it decides every batch.
        images_per_identity: K.

    Raises:
        FacesimError: ``batch_size`` is no multiple of K or leaves room for one identity only, or
            the table has one identity only or no identity with two images.
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        images_per_identity: Annotated[
            int, Field(ge=2, description="The most images of one identity in a batch (K).")
        ] = 4,
    ) -> None:
        _require_whole_groups(batch_size, images_per_identity)
        space = PairSpace.of(identities)
        require_pairs(space, genuine=1, impostor=1)
        self._identities = identities
        self._seed = seed
        self._space = space
        self._group_size = images_per_identity
        groups = int(_groups(np.diff(space.bounds), images_per_identity).sum())
        self._batches = -(-groups * images_per_identity // batch_size)

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, each made when it is asked for."""
        generator = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(epoch,)))
        rows, bounds = self._shuffled_groups(generator)
        for batch in generator.permutation(self._batches):
            dealt = slice(batch, len(bounds) - 1, self._batches)
            groups = zip(bounds[:-1][dealt], bounds[1:][dealt], strict=True)
            yield self._all_pairs(np.concatenate([rows[start:end] for start, end in groups]))

    def __len__(self) -> int:
        return self._batches

    def _shuffled_groups(self, generator: np.random.Generator) -> tuple[Int64Array, Int64Array]:
        """Identities in random order, the images of each in random order, and group bounds."""
        images = np.diff(self._space.bounds)
        place = generator.permutation(len(images))
        places = np.empty_like(self._space.order)
        places[self._space.order] = np.repeat(place, images)
        rows = generator.permutation(len(places))
        rows = rows[np.argsort(places[rows], kind="stable")]
        return rows, _group_bounds(images[np.argsort(place)], self._group_size)

    def _all_pairs(self, images: Int64Array) -> PairBatch:
        pairs = torch.triu_indices(len(images), len(images), offset=1).T.contiguous()
        identities = torch.from_numpy(self._identities[images])
        same = identities[pairs[:, 0]] == identities[pairs[:, 1]]
        return PairBatch(torch.from_numpy(images), identities, pairs, same)


def _groups(images: Int64Array, group_size: int) -> Int64Array:
    """Groups that each identity is split into."""
    return -(-images // group_size)


def _group_bounds(images: Int64Array, group_size: int) -> Int64Array:
    """Where the groups begin and the last one ends, identities standing one after another."""
    groups = _groups(images, group_size)
    first_group = np.cumsum(groups) - groups
    which = np.arange(groups.sum()) - np.repeat(first_group, groups)
    within = which * np.repeat(images, groups) // np.repeat(groups, groups)
    starts = np.repeat(np.cumsum(images) - images, groups) + within
    return np.append(starts, images.sum())


def _require_whole_groups(batch_size: int, images_per_identity: int) -> None:
    if batch_size % images_per_identity == 0 and batch_size >= 2 * images_per_identity:
        return
    nearest = max(2, round(batch_size / images_per_identity)) * images_per_identity
    raise FacesimError(
        f"batch_size {batch_size} is not two or more times images_per_identity "
        f"{images_per_identity}, so it is no whole number of identities; use {nearest}"
    )
