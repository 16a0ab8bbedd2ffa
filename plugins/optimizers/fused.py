"""Adam, AdamW and SGD with fused kernels and their most common parameters.

They are not aliases of ``torch.Adam``, ``torch.AdamW`` and ``torch.SGD``: fused kernels round
differently from torch's default, and ``sgd`` has momentum and requires a learning rate.
"""

from typing import Annotated

import torch
from pydantic import Field

from facesim import FacesimError, ParameterGroups, optimizers

LearningRate = Annotated[float, Field(gt=0, description="learning rate")]
Decay = Annotated[float, Field(ge=0, lt=1)]
Betas = Annotated[
    tuple[Decay, Decay],
    Field(description="decay rates of the running means of the gradient and of its square"),
]
Epsilon = Annotated[float, Field(gt=0, description="added to the denominator")]
L2Penalty = Annotated[
    float, Field(ge=0, description="L2 penalty: this times the weights is added to the gradient")
]
DecoupledDecay = Annotated[
    float, Field(ge=0, description="each step multiplies the weights by 1 - lr * weight_decay")
]


@optimizers("adam", starter="{name: adam, lr: 1e-3}")
def adam(
    parameter_groups: ParameterGroups,
    *,
    lr: LearningRate = 1e-3,
    betas: Betas = (0.9, 0.999),
    eps: Epsilon = 1e-8,
    weight_decay: L2Penalty = 0.0,
) -> torch.optim.Optimizer:
    """Adam: steps scaled by running estimates of the gradient's first two moments.

    Reference:
        Kingma, Ba: Adam: A Method for Stochastic Optimization (2015).
    """
    return torch.optim.Adam(
        parameter_groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )


@optimizers("adamw")
def adamw(
    parameter_groups: ParameterGroups,
    *,
    lr: LearningRate = 1e-3,
    betas: Betas = (0.9, 0.999),
    eps: Epsilon = 1e-8,
    weight_decay: DecoupledDecay = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay.

    Reference:
        Loshchilov, Hutter: Decoupled Weight Decay Regularization (2019).
    """
    return torch.optim.AdamW(
        parameter_groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True
    )


@optimizers("sgd")
def sgd(
    parameter_groups: ParameterGroups,
    *,
    lr: LearningRate,
    momentum: Annotated[Decay, Field(description="0 is plain SGD")] = 0.9,
    nesterov: Annotated[bool, Field(description="Nesterov's momentum")] = False,
    weight_decay: L2Penalty = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum.

    Reference:
        Sutskever et al.: On the importance of initialization and momentum in deep learning (2013).
    """
    if nesterov and momentum == 0:
        raise FacesimError("optimizer sgd: nesterov needs a momentum above 0, such as 0.9")
    return torch.optim.SGD(
        parameter_groups,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        fused=True,
    )
