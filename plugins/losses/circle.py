"""Circle loss."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from facesim import PairBatch, losses
from facesim_plugins.losses._cosine import CosineLoss, cosine_matrix
from facesim_plugins.losses._pair_masks import (
    genuine_pairs,
    impostor_pairs,
    masked_logsumexp,
    masked_mean,
)


@losses("circle")
class Circle(CosineLoss):
    """Weight each pair of the batch by how far its cosine is from its optimum.

    The loss of an image is ``log(1 + impostors * partners)``: the sum over its impostors, at a
    cosine ``c``, of ``exp(scale * (c + margin) * (c - margin))``, and that over its genuine
    partners of the same with ``1 - c`` for ``c``. The first bracket is a weight, clamped at 0 and
    without gradient. The loss is the mean over the images that have pairs of both kinds, and 0 if
    none has. It uses all pairs among the images of a batch. The score is the cosine.

    Reference:
        Sun et al.: Circle Loss: A Unified Perspective of Pair Similarity Optimization (2020); the
        defaults are those for face recognition.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        margin: Annotated[
            float,
            Field(
                gt=0,
                lt=1,
                description="genuine cosines are pushed above 1 - margin, impostors' below margin",
            ),
        ] = 0.25,
        scale: Annotated[
            float, Field(gt=0, description="how strongly the worst pairs dominate")
        ] = 256.0,
    ) -> None:
        super().__init__()
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean loss per image."""
        cosines = cosine_matrix(embeddings, embeddings)
        genuine, impostor = genuine_pairs(batch.identities), impostor_pairs(batch.identities)
        too_low = self._weighted(1 - cosines)
        too_high = self._weighted(cosines)
        costs = functional.softplus(
            masked_logsumexp(too_low, genuine) + masked_logsumexp(too_high, impostor)
        )
        return masked_mean(costs, genuine.any(1) & impostor.any(1))

    def _weighted(self, off: Tensor) -> Tensor:
        """Exponents [B, B] for the errors of all cosines: 0 at the margin, negative below it."""
        weight = (off.detach() + self.margin).clamp_min(0)
        return self.scale * weight * (off - self.margin)
