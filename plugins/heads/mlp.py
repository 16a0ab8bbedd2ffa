"""A head of two hidden layers."""

from typing import Annotated

from pydantic import Field
from torch import nn

from facesim import heads


@heads("mlp")
def mlp(
    features: int,
    *,
    fc_dim: Annotated[int, Field(gt=0, description="width of the two hidden layers")] = 128,
    out_dim: Annotated[int, Field(gt=0, description="width of the embedding")] = 16,
) -> nn.Module:
    """A multi-layer perceptron: ``features -> fc_dim -> fc_dim -> out_dim``, ReLU between."""
    return nn.Sequential(
        nn.Linear(features, fc_dim),
        nn.ReLU(),
        nn.Linear(fc_dim, fc_dim),
        nn.ReLU(),
        nn.Linear(fc_dim, out_dim),
    )
