"""The softmax over the cosines to one weight per identity, harder by a margin."""

from abc import abstractmethod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from facesim import PairBatch
from facesim_plugins.losses._cosine import CosineLoss, cosine_matrix, paired_cosine

Scale = Annotated[
    float, Field(gt=0, description="what the cosines are multiplied by in the softmax")
]


class MarginSoftmax(CosineLoss):
    """Cross-entropy of classifying each image as its identity, whose cosine is made lower first.

    Args:
        embedding_dim: D.
        num_identities: I, of the training table.
        scale: what the cosines are multiplied by, the inverse temperature of the softmax.
    """

    of_training_identities = True

    def __init__(self, embedding_dim: int, num_identities: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(num_identities, embedding_dim))
        nn.init.xavier_uniform_(self.weight)

    @abstractmethod
    def with_margin(self, cosines: Tensor) -> Tensor:
        """Cosines [B] of images to their own identity -> what the softmax gets instead."""

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean cross-entropy of an image."""
        # Its own weight apart: the gradient of an indexed [B, I] matrix does not repeat on a GPU.
        own = paired_cosine(embeddings, self.weight.index_select(0, batch.identities))
        cosines = cosine_matrix(embeddings, self.weight)
        is_own = batch.identities[:, None] == torch.arange(len(self.weight), device=own.device)
        logits = self.scale * torch.where(is_own, self.with_margin(own)[:, None], cosines)
        costs = functional.cross_entropy(logits, batch.identities, reduction="sum")
        return costs / max(len(logits), 1)
