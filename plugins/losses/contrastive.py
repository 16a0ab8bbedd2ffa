"""Contrastive loss on the Euclidean distance."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from facesim import PairBatch, losses
from facesim_plugins.losses._euclidean import EuclideanLoss, paired_distance


@losses("contrastive", starter="contrastive")
class Contrastive(EuclideanLoss):
    """Pull genuine pairs together and push impostor pairs apart, up to a margin.

    The loss of a genuine pair at distance ``d`` is ``d ** 2``, that of an impostor pair
    ``max(0, margin - d) ** 2``; the loss is the mean over the pairs, and 0 if there are none. The
    score is ``-d``.

    Reference:
        Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping (2006).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[
            float, Field(gt=0, description="distance beyond which an impostor pair has no loss")
        ] = 2.0,
    ) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean loss per pair."""
        distance = paired_distance(*batch.gather(embeddings))
        shortfall = (self.margin - distance).clamp_min(0)
        costs = torch.where(batch.same, distance, shortfall).square()
        return costs.sum() / max(len(costs), 1)

    def impostor_margin(self) -> float:
        """Minus the margin."""
        return -self.margin

    def chance_loss(self, genuine_share: float) -> float:
        """That of all pairs at the distance ``(1 - genuine_share) * margin``, the best constant."""
        return genuine_share * (1 - genuine_share) * self.margin**2
