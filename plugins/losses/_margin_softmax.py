"""Softmax with a margin, over the cosines to one weight vector per identity."""

from abc import abstractmethod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from facesim import PairBatch
from facesim_plugins.losses._cosine import CosineLoss, cosine_matrix, paired_cosine

Scale = Annotated[
    float, Field(gt=0, description="factor of the cosines in the softmax (inverse temperature)")
]


class MarginSoftmax(CosineLoss):
    """Cross-entropy of classifying each image as its identity, after a margin on its cosine.

    Args:
        embedding_dim: D.
        num_identities: I, of the training table.
        scale: factor of the cosines, the inverse temperature of the softmax.
    """

    of_training_identities = True

    def __init__(self, embedding_dim: int, num_identities: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(num_identities, embedding_dim))
        nn.init.xavier_uniform_(self.weight)

    @abstractmethod
    def with_margin(self, cosines: Tensor) -> Tensor:
        """Cosines [B] of images to their own identity -> what replaces them in the softmax."""

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean cross-entropy of an image."""
        # The own cosines are computed apart: the gradient of indexing the [B, I] matrix is not
        # deterministic on a GPU.
        own = paired_cosine(embeddings, self.weight.index_select(0, batch.identities))
        cosines = cosine_matrix(embeddings, self.weight)
        is_own = batch.identities[:, None] == torch.arange(len(self.weight), device=own.device)
        logits = self.scale * torch.where(is_own, self.with_margin(own)[:, None], cosines)
        costs = functional.cross_entropy(logits, batch.identities, reduction="sum")
        return costs / max(len(logits), 1)
