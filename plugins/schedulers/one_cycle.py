"""One-cycle learning rate: one rise, one decay."""

from math import cos, pi
from typing import Annotated

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from facesim import schedulers


@schedulers("one_cycle")
def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    *,
    rise: Annotated[
        float, Field(gt=0, lt=1, description="share of the steps before the peak")
    ] = 0.3,
    start: Annotated[
        float, Field(gt=0, le=1, description="initial learning rate as a share of the peak")
    ] = 0.04,
    final: Annotated[
        float, Field(ge=0, le=1, description="final learning rate as a share of the peak")
    ] = 0.0,
) -> LRScheduler:
    """Rise along half a cosine to the optimizer's learning rate, the peak, then decay.

    Momentum is constant. (torch's OneCycleLR divides by zero where the rise is a single step.)

    Reference:
        Smith, Topin: Super-Convergence: Very Fast Training Using Large Learning Rates (2018).
    """
    peak = rise * total_steps

    def share_of_peak(step: int) -> float:
        if step < peak:
            return _along_cosine(start, 1, step / peak)
        return _along_cosine(1, final, min((step - peak) / (total_steps - peak), 1))

    return LambdaLR(optimizer, share_of_peak)


def _along_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + cos(pi * progress)) / 2
