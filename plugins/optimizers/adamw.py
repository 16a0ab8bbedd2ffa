"""Adam with decoupled weight decay."""

from typing import Annotated

import torch
from pydantic import Field

from facesim import ParameterGroups, optimizers

Decay = Annotated[float, Field(ge=0, lt=1)]


@optimizers("adamw")
def adamw(
    parameter_groups: ParameterGroups,
    *,
    lr: Annotated[float, Field(gt=0, description="learning rate")] = 1e-3,
    betas: Annotated[
        tuple[Decay, Decay], Field(description="decay of the gradient's mean and of its square's")
    ] = (0.9, 0.999),
    eps: Annotated[float, Field(gt=0, description="added to the denominator")] = 1e-8,
    weight_decay: Annotated[
        float, Field(ge=0, description="share of each weight taken off a step, times `lr`")
    ] = 0.01,
) -> torch.optim.Optimizer:
    """Adam whose weight decay shrinks the weights themselves, not by way of the gradient.

    Reference:
        Loshchilov, Hutter: Decoupled Weight Decay Regularization (2019).
    """
    return torch.optim.AdamW(
        parameter_groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )
