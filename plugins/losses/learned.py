"""Learned comparison: a small classifier on the two embeddings of a pair."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from facesim import losses
from facesim_plugins.losses._logistic import LogisticLoss


@losses("learned")
class Learned(LogisticLoss):
    """Binary cross-entropy of a multi-layer perceptron that classifies pairs as genuine.

    The perceptron gets the two embeddings concatenated, in both orders, and the mean of its two
    outputs is the logit of "same identity", so that the score is symmetric. That logit is the
    score. The loss is the mean over the pairs, and 0 if there are none.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        hidden: Annotated[
            tuple[Annotated[int, Field(gt=0, le=4096)], ...],
            Field(description="width of each hidden layer; [] makes the comparison linear"),
        ] = (64, 64),
    ) -> None:
        super().__init__()
        widths = (2 * embedding_dim, *hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.classifier = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """The logit [P] of "same identity" for embeddings [P, D] and [P, D]."""
        forth: Tensor = self.classifier(torch.cat((a, b), dim=1))
        back: Tensor = self.classifier(torch.cat((b, a), dim=1))
        return (forth.float() + back.float()).squeeze(1) / 2
