"""Batches of P identities with K images each (PK sampling), and all pairs among them."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from facesim import FacesimError, Int64Array, PairBatch, PairSpace, Sampler, samplers


@samplers(
    "identity_balanced",
    starter="{name: identity_balanced, images_per_identity: 3} # 16 people with 3 images each",
)
class IdentityBalanced(Sampler):
    """P identities with K images each per batch, and every pair among these images.

    Every image comes exactly once per epoch. An identity with more than K images is split at
    random into groups of at most K images, whose sizes differ by at most one; an identity with
    fewer than K images is one group, and one with a single image is in impostor pairs only. The
    groups are distributed round-robin over the batches, so that all batches hold P groups or one
    less, and two groups of one identity share a batch only if it has more groups than the epoch
    has batches.

    Args:
        identities: int64 [N], the identity of every row of the table.
        batch_size: P times K, the maximum number of images in a batch.
        seed: together with the epoch it decides every batch.
        images_per_identity: K.

    Raises:
        FacesimError: ``batch_size`` is not a multiple of K or less than 2 K, or the table has one
            identity only or no identity with two images.

    Reference:
        Schroff, Kalenichenko, Philbin: FaceNet (2015). Hermans, Beyer, Leibe: In Defense of the
        Triplet Loss for Person Re-Identification (2017).
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        images_per_identity: Annotated[
            int, Field(ge=2, le=10**6, description="maximum images of one identity in a batch (K)")
        ] = 4,
    ) -> None:
        if batch_size % images_per_identity or batch_size < 2 * images_per_identity:
            nearest = max(2, round(batch_size / images_per_identity)) * images_per_identity
            raise FacesimError(
                f"batch_size {batch_size} is not a multiple, two or more, of images_per_identity "
                f"{images_per_identity}; use {nearest}"
            )
        space = PairSpace.of(identities)
        space.require(genuine=1, impostor=1)
        self._identities = identities
        self._seed = seed
        self._space = space
        self._group_size = images_per_identity
        groups = int(_groups(np.diff(space.bounds), images_per_identity).sum())
        self._batches = -(-groups * images_per_identity // batch_size)

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """The batches of one epoch, generated lazily."""
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
    """The number of groups that each identity is split into."""
    return -(-images // group_size)


def _group_bounds(images: Int64Array, group_size: int) -> Int64Array:
    """Where the groups begin and the last one ends, with identities one after another."""
    groups = _groups(images, group_size)
    first_group = np.cumsum(groups) - groups
    which = np.arange(groups.sum()) - np.repeat(first_group, groups)
    within = which * np.repeat(images, groups) // np.repeat(groups, groups)
    starts = np.repeat(np.cumsum(images) - images, groups) + within
    return np.append(starts, images.sum())
