"""CosFace: softmax with an additive cosine margin."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from facesim import losses
from facesim_plugins.losses._margin_softmax import MarginSoftmax, Scale


@losses("cosface")
class CosFace(MarginSoftmax):
    """Softmax over cosines to one weight per identity, with a margin on the own cosine.

    An image enters the softmax with ``cosine - margin`` for its own identity and with the cosine
    for every other. The score is the cosine.

    Reference:
        Wang et al.: CosFace: Large Margin Cosine Loss for Deep Face Recognition (2018).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[
            float, Field(ge=0, lt=2, description="subtracted from the cosine to the own identity")
        ] = 0.35,
        scale: Scale = 64.0,
    ) -> None:
        super().__init__(embedding_dim, num_identities, scale)
        self.margin = margin

    def with_margin(self, cosines: Tensor) -> Tensor:
        """``cosine - margin`` [B] of cosines [B]."""
        return cosines - self.margin
