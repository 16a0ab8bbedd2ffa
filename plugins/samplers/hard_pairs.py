"""Pairs that the network finds hard, mined anew for every epoch."""

from typing import Annotated, Literal

from pydantic import Field

from facesim import samplers
from facesim.interfaces import Int64Array
from facesim_plugins.samplers._mined_pairs import MinedPairs


@samplers("hard_pairs")
class HardPairs(MinedPairs):
    """Impostors that look alike to the network, and genuine pairs that do not.

    Before every epoch but the first all training images are embedded. Each image then has as
    partners the nearest of a random pool of other people's images, and the farthest of its own
    identity. An epoch pairs images, drawn at random, with these; the first has random pairs.

    The larger the pool, the harder the impostors; the very hardest of a large table are often
    wrong labels, which a pool of a hundred or so seldom meets.

    Reference:
        Schroff, Kalenichenko, Philbin: FaceNet (2015), section 3.2.
        Simo-Serra et al.: Discriminative Learning of Deep Convolutional Feature Point Descriptors
        (2015).
    """

    def __init__(
        self,
        identities: Int64Array,
        batch_size: int,
        seed: int,
        *,
        pairs_per_image: Annotated[
            float,
            Field(
                gt=0,
                allow_inf_nan=False,
                description="Pairs in an epoch, as a multiple of the images.",
            ),
        ],
        same_fraction: Annotated[
            float, Field(ge=0, le=1, description="Share of the pairs that show one identity.")
        ] = 0.5,
        pool: Annotated[
            int, Field(ge=1, description="Images that each is compared with, at random.")
        ] = 100,
        by: Annotated[
            Literal["euclidean", "cosine"],
            Field(description="What near and far are; as the loss compares."),
        ] = "euclidean",
    ) -> None:
        super().__init__(
            identities,
            batch_size,
            seed,
            pairs_per_image=pairs_per_image,
            same_fraction=same_fraction,
            pool=pool,
            cosine=by == "cosine",
        )

    def hard_share(self, epoch: int) -> float:
        """All pairs, once there are mined ones."""
        return 1.0
