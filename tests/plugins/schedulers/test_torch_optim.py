"""torch's schedulers by name; the contract suite has each of them step and resume."""

import pytest
import torch
from pydantic import ValidationError
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from facesim import schedulers


def sgd(lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)


def rates(scheduler: LRScheduler, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_every_scheduler_of_torch_is_there_but_for_those_that_need_more_than_a_file() -> None:
    ours = {name.removeprefix("torch.") for name in schedulers.names() if "torch." in name}
    left_out = set(lr_scheduler.__all__) - ours
    assert left_out == {
        "LRScheduler",
        "LambdaLR",
        "MultiplicativeLR",
        "SequentialLR",
        "ChainedScheduler",
        "ReduceLROnPlateau",
        "OneCycleLR",
    }


def test_a_period_is_counted_in_batches() -> None:
    scheduler = schedulers.spec("torch.StepLR", step_size=2, gamma=0.5).build(sgd(), 100)
    assert rates(scheduler, 5) == [1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("CosineAnnealingLR", {"T_max": 8}),
        ("LinearLR", {"total_iters": 8}),
        ("PolynomialLR", {"total_iters": 8}),
    ],
)
def test_the_end_is_that_of_the_run_unless_it_is_given(name: str, own: dict[str, int]) -> None:
    of_torch = getattr(lr_scheduler, name)(sgd(), **own)
    expected = rates(of_torch, 8)
    assert rates(schedulers.spec(f"torch.{name}").build(sgd(), 8), 8) == expected
    assert rates(schedulers.spec(f"torch.{name}", **own).build(sgd(), 1000), 8) == expected


def test_milestones_are_a_list_of_steps_above_0() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        schedulers.spec("torch.MultiStepLR", milestones=(0, 5))
