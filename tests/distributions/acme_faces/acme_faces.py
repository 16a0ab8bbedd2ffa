"""A distribution of somebody else that works: one loss, one head."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from facesim import Loss, PairBatch, heads, losses


@losses("acme_squared")
class AcmeSquared(Loss):
    """Squared distance of genuine pairs, and a hinge on that of impostors."""

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[float, Field(gt=0, description="squared distance of impostors")] = 1.0,
    ) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] -> the mean cost of a pair."""
        squares = -self.score(*batch.gather(embeddings))
        costs = squares.where(batch.same, functional.relu(self.margin - squares))
        return costs.sum() / max(len(costs), 1)

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Minus the squared distance."""
        return -(a.float() - b.float()).square().sum(1)


@heads("acme_linear")
def acme_linear(
    features: int, *, out_dim: Annotated[int, Field(gt=0, description="width")] = 8
) -> nn.Module:
    """One linear layer."""
    return nn.Linear(features, out_dim)
