"""Logistic loss on the Euclidean distance."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from facesim import losses
from facesim_plugins.losses._euclidean import paired_distance
from facesim_plugins.losses._logistic import LogisticLoss


@losses("bce_distance")
class BceDistance(LogisticLoss):
    """Binary cross-entropy of classifying pairs as genuine by their distance.

    The logit of "same identity" is ``bias - scale * distance``; bias and scale are learned, the
    latter as its logarithm, so that a larger distance always means less similar. The logit is the
    score, and its sigmoid a probability. The loss is the mean over the pairs, and 0 if there are
    none.

    Reference:
        Guillaumin, Verbeek, Schmid: Is that you? Metric Learning Approaches for Face Identification
        (2009), where the scale is a part of the metric.
    """

    comparison = "euclidean"

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        scale: Annotated[float, Field(gt=0, description="initial factor of the distance")] = 1.0,
        bias: Annotated[float, Field(description="initial logit at distance 0")] = 1.0,
    ) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """The logit [P] of "same identity" for embeddings [P, D] and [P, D]."""
        return self.bias - self.log_scale.exp() * paired_distance(a, b)
