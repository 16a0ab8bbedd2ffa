"""The contrastive loss on the Euclidean distance."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from facesim import Loss, PairBatch, losses


@losses("contrastive")
class Contrastive(Loss):
    """Pull genuine pairs together and push impostors apart until a margin lies between them.

    A genuine pair at distance ``d`` costs ``d ** 2``, an impostor ``max(0, margin - d) ** 2``; the
    loss is the mean over the pairs, and 0 where there are none. The score is ``-d``.

    Reference:
        Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping (2006).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[
            float, Field(gt=0, description="distance from which on an impostor pair costs nothing")
        ] = 2.0,
    ) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean cost of a pair."""
        distance = -self.score(*batch.gather(embeddings))
        shortfall = (self.margin - distance).clamp_min(0)
        costs = torch.where(batch.same, distance, shortfall).square()
        return costs.sum() / max(len(costs), 1)

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Minus the Euclidean distance [P] of embeddings [P, D] and [P, D]."""
        # vector_norm, unlike the root of a sum, has a finite gradient (0) where a equals b.
        distance: Tensor = torch.linalg.vector_norm(a.float() - b.float(), dim=1)
        return -distance

    def impostor_margin(self) -> float:
        """Minus the margin."""
        return -self.margin

    def chance_loss(self, genuine_share: float) -> float:
        """With all pairs at the distance ``(1 - genuine_share) * margin``, the best for all."""
        return genuine_share * (1 - genuine_share) * self.margin**2
