"""Constant learning rate."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from facesim import schedulers


@schedulers("constant", default=True)
def constant(optimizer: Optimizer, total_steps: int) -> LRScheduler:  # noqa: ARG001
    """Keep the optimizer's learning rate."""
    return LambdaLR(optimizer, lambda _: 1.0)
