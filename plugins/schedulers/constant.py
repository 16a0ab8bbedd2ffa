"""A learning rate that stays."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from facesim import schedulers


@schedulers("constant", default=True)
def constant(optimizer: Optimizer, total_steps: int) -> LRScheduler:  # noqa: ARG001
    """Leave the learning rate as the optimizer has it."""
    return LambdaLR(optimizer, lambda _: 1.0)
