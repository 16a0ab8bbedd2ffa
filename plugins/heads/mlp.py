"""Multi-layer perceptron head."""

from typing import Annotated

from pydantic import Field
from torch import nn

from facesim import heads
from facesim_plugins.heads._unit_length import UnitLength


@heads("mlp")
def mlp(
    features: int,
    *,
    fc_dim: Annotated[
        int, Field(gt=0, le=8192, description="width of the two hidden layers")
    ] = 128,
    out_dim: Annotated[int, Field(gt=0, le=8192, description="width of the embedding")] = 16,
    normalize: Annotated[bool, Field(description="scale the embedding to length 1")] = False,
) -> nn.Module:
    """A multi-layer perceptron: ``features -> fc_dim -> fc_dim -> out_dim``, ReLU between."""
    layers = (
        nn.Linear(features, fc_dim),
        nn.ReLU(),
        nn.Linear(fc_dim, fc_dim),
        nn.ReLU(),
        nn.Linear(fc_dim, out_dim),
    )
    return nn.Sequential(*layers, UnitLength()) if normalize else nn.Sequential(*layers)
