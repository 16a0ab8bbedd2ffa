"""Cosine decay with linear warm-up."""

from math import cos, pi
from typing import Annotated

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from facesim import schedulers


@schedulers(
    "cosine", starter="cosine # over all steps; `constant` leaves the learning rate as it is"
)
def cosine(
    optimizer: Optimizer,
    total_steps: int,
    *,
    warmup: Annotated[
        float, Field(ge=0, lt=1, description="share of the steps in the linear warm-up")
    ] = 0.0,
    final: Annotated[
        float, Field(ge=0, le=1, description="final learning rate as a share of the optimizer's")
    ] = 0.0,
) -> LRScheduler:
    """Rise linearly to the optimizer's learning rate, then decay along half a cosine.

    Reference:
        Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """
    warmup_steps = round(warmup * total_steps)

    def share_of_lr(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)  # never 0, or the first step would do nothing
        progress = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1)
        return final + (1 - final) * (1 + cos(pi * progress)) / 2

    return LambdaLR(optimizer, share_of_lr)
