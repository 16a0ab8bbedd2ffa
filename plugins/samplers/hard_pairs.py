"""Hard pairs, mined again before every epoch."""

from facesim import samplers
from facesim_plugins.samplers._mined_pairs import MinedPairs


@samplers("hard_pairs")
class HardPairs(MinedPairs):
    """Impostor pairs with close embeddings, and genuine pairs with distant ones.

    Before every epoch but the first all training images are embedded. The partners of an image
    are then the nearest of a random pool of other people's images, and the farthest of its own
    identity. An epoch pairs randomly drawn images with these; the first has random pairs.

    The larger the pool, the harder the impostors; the very hardest of a large table are often
    label errors, which a pool of about a hundred rarely contains.

    Reference:
        Schroff, Kalenichenko, Philbin: FaceNet (2015), section 3.2.
        Simo-Serra et al.: Discriminative Learning of Deep Convolutional Feature Point Descriptors
        (2015).
    """

    def hard_share(self, epoch: int) -> float:
        """All pairs, once pairs were mined."""
        return 1.0
