"""A head of one linear layer."""

from typing import Annotated

from pydantic import Field
from torch import nn

from facesim import heads


@heads("linear")
def linear(
    features: int,
    *,
    out_dim: Annotated[int, Field(gt=0, description="width of the embedding")] = 16,
) -> nn.Module:
    """Project the backbone's features to the embedding: ``features -> out_dim``."""
    return nn.Linear(features, out_dim)
