"""Linear head."""

from typing import Annotated

from pydantic import Field
from torch import nn

from facesim import heads
from facesim_plugins.heads._unit_length import UnitLength


@heads("linear", starter="{name: linear, out_dim: 32}")
def linear(
    features: int,
    *,
    out_dim: Annotated[int, Field(gt=0, le=8192, description="width of the embedding")] = 16,
    normalize: Annotated[bool, Field(description="scale the embedding to length 1")] = False,
) -> nn.Module:
    """Project the backbone's features to the embedding: ``features -> out_dim``."""
    projection = nn.Linear(features, out_dim)
    return nn.Sequential(projection, UnitLength()) if normalize else projection
