"""Generalised-mean (GeM) pooling."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from facesim import Head, heads
from facesim_plugins.heads._unit_length import UnitLength

_SMALLEST = 1e-6


@heads("gem")
class GeneralisedMean(Head):
    """Pool each feature map by a generalised mean, whose exponent is learned, then project.

    The mean of a map is ``(mean of x ** p) ** (1 / p)``: the average for p = 1, the maximum for
    infinite p. Activations below 1e-6, such as negative ones, count as 1e-6. The backbone must
    leave the maps unpooled (``pooling: none``).

    Reference:
        Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation (2018).
    """

    pools = True

    def __init__(
        self,
        features: int,
        *,
        p: Annotated[float, Field(gt=0, le=100, description="initial exponent")] = 3.0,
        out_dim: Annotated[
            int | None,
            Field(gt=0, le=8192, description="width of the embedding; null: the pooled features"),
        ] = None,
        normalize: Annotated[bool, Field(description="scale the embedding to length 1")] = False,
    ) -> None:
        super().__init__()
        # The logarithm is what is learned, so that no step can make the exponent 0 or negative.
        self.log_p = nn.Parameter(torch.tensor(math.log(p)))
        self.projection = nn.Identity() if out_dim is None else nn.Linear(features, out_dim)
        self.scaling = UnitLength() if normalize else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps [B, features, h, w] -> embeddings [B, out_dim]."""
        embeddings: Tensor = self.scaling(self.projection(self.pool(maps)))
        return embeddings

    def pool(self, maps: Tensor) -> Tensor:
        """Feature maps [B, features, h, w] -> their generalised means, float32 [B, features].

        Powers are summed as logarithms, in float32 whatever the autocast, since x ** p overflows.
        """
        with torch.autocast(maps.device.type, enabled=False):
            p = self.log_p.exp()
            logarithms = maps.float().clamp_min(_SMALLEST).log().flatten(2)
            mean = torch.logsumexp(p * logarithms, dim=2) - math.log(logarithms.shape[2])
            return (mean / p).exp()
