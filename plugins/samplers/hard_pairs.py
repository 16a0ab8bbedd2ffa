"""Pairs that the network finds hard, mined anew for every epoch."""

from facesim import samplers
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

    def hard_share(self, epoch: int) -> float:
        """All pairs, once there are mined ones."""
        return 1.0
