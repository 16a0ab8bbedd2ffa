"""Stochastic gradient descent."""

from typing import Annotated

import torch
from pydantic import Field

from facesim import FacesimError, ParameterGroups, optimizers


@optimizers("sgd")
def sgd(
    parameter_groups: ParameterGroups,
    *,
    lr: Annotated[float, Field(gt=0, description="learning rate")],
    momentum: Annotated[float, Field(ge=0, lt=1, description="0 is plain descent.")] = 0.9,
    nesterov: Annotated[bool, Field(description="look ahead along the momentum")] = False,
    weight_decay: Annotated[
        float, Field(ge=0, description="pull of the weights to 0, added to the gradient")
    ] = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent, with momentum if asked.

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
