"""Curriculum: from random pairs to hard ones over the epochs."""

from typing import Annotated

from pydantic import Field

from facesim import Int64Array, samplers
from facesim_plugins.samplers._mined_pairs import MinedPairs
from facesim_plugins.samplers._parameters import By, PairsPerImage, Pool, SameFraction


@samplers("curriculum")
class Curriculum(MinedPairs):
    """Random pairs at first, and a larger share of hard ones in every epoch.

    The share of hard pairs grows linearly (the pacing function) from 0 in the first epoch to
    ``hardest_share`` after ``ramp_epochs``, and stays there. Hard pairs are those of
    ``hard_pairs``: before every epoch but the first all training images are embedded, and the
    partners of an image are the nearest of a random pool of other people's images and the
    farthest of its own identity.

    Reference:
        Bengio et al.: Curriculum Learning (2009).
        Hacohen, Weinshall: On The Power of Curriculum Learning in Training Deep Networks (2019).
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        pairs_per_image: PairsPerImage,
        same_fraction: SameFraction = 0.5,
        ramp_epochs: Annotated[
            int,
            Field(
                ge=1, le=10**6, description="epochs until the share of hard pairs is at its maximum"
            ),
        ] = 5,
        hardest_share: Annotated[
            float, Field(gt=0, le=1, description="maximum share of hard pairs")
        ] = 1.0,
        pool: Pool = 100,
        by: By = "euclidean",
    ) -> None:
        super().__init__(
            identities,
            batch_size,
            seed,
            pairs_per_image=pairs_per_image,
            same_fraction=same_fraction,
            pool=pool,
            by=by,
        )
        self._ramp_epochs = ramp_epochs
        self._hardest_share = hardest_share

    def hard_share(self, epoch: int) -> float:
        """Linear in the epoch, up to the maximum."""
        return self._hardest_share * min(epoch / self._ramp_epochs, 1)
