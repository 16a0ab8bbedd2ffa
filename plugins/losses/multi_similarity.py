"""Multi-similarity loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from facesim import PairBatch, losses
from facesim_plugins.losses._cosine import CosineLoss, cosine_matrix
from facesim_plugins.losses._pair_masks import genuine_pairs, impostor_pairs, masked_logsumexp


@losses("multi_similarity")
class MultiSimilarity(CosineLoss):
    """Weight each pair of the batch relative to the other pairs of its image.

    Of each image the informative pairs are kept: impostors whose cosine is higher than the lowest
    genuine one minus ``epsilon``, and genuine ones lower than the highest impostor plus
    ``epsilon``. With the cosines ``g`` of the kept genuine pairs and ``i`` of the kept impostors,
    the loss of the image is ``log(1 + sum(exp(-alpha * (g - base)))) / alpha`` plus
    ``log(1 + sum(exp(beta * (i - base)))) / beta``; the loss is the mean over the images. It uses
    all pairs among the images of a batch. The score is the cosine.

    Reference:
        Wang, Han, Huang, Dong, Scott: Multi-Similarity Loss with General Pair Weighting for Deep
        Metric Learning (2019); the default of ``base`` is that of the authors' code.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        alpha: Annotated[
            float, Field(gt=0, description="how strongly the hardest genuine pairs dominate")
        ] = 2.0,
        beta: Annotated[
            float, Field(gt=0, description="how strongly the hardest impostor pairs dominate")
        ] = 50.0,
        base: Annotated[
            float, Field(ge=-1, le=1, description="cosine between genuine and impostor pairs")
        ] = 0.5,
        epsilon: Annotated[
            float, Field(ge=0, description="tolerance, in cosine, for keeping a pair")
        ] = 0.1,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.base, self.epsilon = alpha, beta, base, epsilon

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean loss per image."""
        cosines = cosine_matrix(embeddings, embeddings)
        genuine, impostor = self._informative(cosines.detach(), batch.identities)
        apart = functional.softplus(masked_logsumexp(self.alpha * (self.base - cosines), genuine))
        alike = functional.softplus(masked_logsumexp(self.beta * (cosines - self.base), impostor))
        return (apart / self.alpha + alike / self.beta).sum() / max(len(cosines), 1)

    def _informative(self, cosines: Tensor, identities: Tensor) -> tuple[Tensor, Tensor]:
        """Bool [B, B] and [B, B], the kept genuine and impostor pairs of each image."""
        genuine, impostor = genuine_pairs(identities), impostor_pairs(identities)
        lowest = cosines.masked_fill(~genuine, torch.inf).amin(1, keepdim=True)
        highest = cosines.masked_fill(~impostor, -torch.inf).amax(1, keepdim=True)
        return genuine & (cosines - self.epsilon < highest), impostor & (
            cosines + self.epsilon > lowest
        )
