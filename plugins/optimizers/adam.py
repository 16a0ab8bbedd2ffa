"""Adam."""

from typing import Annotated

import torch
from pydantic import Field

from facesim import ParameterGroups, optimizers

Decay = Annotated[float, Field(ge=0, lt=1)]


@optimizers("adam")
def adam(
    parameter_groups: ParameterGroups,
    *,
    lr: Annotated[float, Field(gt=0, description="learning rate")] = 1e-3,
    betas: Annotated[
        tuple[Decay, Decay], Field(description="decay of the gradient's mean and of its square's")
    ] = (0.9, 0.999),
    eps: Annotated[float, Field(gt=0, description="added to the denominator")] = 1e-8,
    weight_decay: Annotated[
        float, Field(ge=0, description="pull of the weights to 0, added to the gradient")
    ] = 0.0,
) -> torch.optim.Optimizer:
    """Adam: steps scaled by running estimates of the gradient's first two moments.

    Reference:
        Kingma, Ba: Adam: A Method for Stochastic Optimization (2015).
    """
    return torch.optim.Adam(
        parameter_groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )
