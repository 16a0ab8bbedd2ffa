"""Supervised contrastive loss."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from facesim import PairBatch, losses
from facesim_plugins.losses._cosine import CosineLoss, cosine_matrix
from facesim_plugins.losses._pair_masks import (
    genuine_pairs,
    impostor_pairs,
    masked_logsumexp,
    masked_mean,
)


@losses("supcon")
class SupCon(CosineLoss):
    """Softmax over the cosines of the batch, with an image's genuine partners as targets.

    The loss of an image is the mean, over its genuine partners, of the cross-entropy of choosing
    that one among all other images of the batch (the paper's ``L_out``); the loss is the mean over
    the images that have a partner, and 0 if none has. It uses all pairs among the images of a
    batch, and benefits from many identities in it. The score is the cosine.

    Reference:
        Khosla et al.: Supervised Contrastive Learning (2020).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        temperature: Annotated[
            float, Field(gt=0, description="divisor of the cosines in the softmax")
        ] = 0.1,
    ) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean loss per image."""
        logits = cosine_matrix(embeddings, embeddings) / self.temperature
        genuine = genuine_pairs(batch.identities)
        partners = genuine.sum(1)
        picked_from = masked_logsumexp(logits, genuine | impostor_pairs(batch.identities))
        picked = logits.masked_fill(~genuine, 0).sum(1) / partners.clamp_min(1)
        return masked_mean(picked_from - picked, partners > 0)
