"""ArcFace: softmax with an additive angular margin."""

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor

from facesim import losses
from facesim_plugins.losses._margin_softmax import MarginSoftmax, Scale

_LEAST_SQUARED_SINE = 1e-7
"""The gradient of the sine is infinite at 0; float32 cannot tell cosines nearer to 1 apart."""


@losses("arcface")
class ArcFace(MarginSoftmax):
    """Softmax over cosines to one weight per identity, with a margin on the angle to the own one.

    An image at the angle ``t`` to its identity's weight enters the softmax with ``cos(t + margin)``
    instead of ``cos(t)``. Beyond ``t = pi - margin`` that would rise again; as in the authors' code
    it is ``cos(t) - margin * sin(margin)`` there, which goes on falling. The score is the cosine.

    Reference:
        Deng, Guo, Xue, Zafeiriou: ArcFace: Additive Angular Margin Loss for Deep Face Recognition
        (2019).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[
            float, Field(ge=0, lt=math.pi / 2, description="added to the angle, in radians")
        ] = 0.5,
        scale: Scale = 64.0,
    ) -> None:
        super().__init__(embedding_dim, num_identities, scale)
        self.margin = margin

    def with_margin(self, cosines: Tensor) -> Tensor:
        """``cos(t + margin)`` [B] of ``cos(t)`` [B]."""
        sines = (1 - cosines.square()).clamp_min(_LEAST_SQUARED_SINE).sqrt()
        widened = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        beyond = cosines - self.margin * math.sin(self.margin)
        return widened.where(cosines > math.cos(math.pi - self.margin), beyond)
