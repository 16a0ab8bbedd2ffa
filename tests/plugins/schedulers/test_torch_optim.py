"""torch's schedulers by name; the contract suite has each of them step and resume."""

from collections.abc import Sequence
from typing import Any

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


CYCLE = {"base_lr": 0.1, "max_lr": 1.0}


@pytest.mark.parametrize(
    ("name", "given", "key", "refused", "accepted"),
    [
        ("ConstantLR", {}, "factor", (0, 1.1), (0.1, 1)),
        ("ConstantLR", {}, "total_iters", (0,), (1, None)),
        ("CosineAnnealingLR", {}, "T_max", (0,), (1, None)),
        ("CosineAnnealingLR", {}, "eta_min", (-0.1,), (0,)),
        ("CosineAnnealingWarmRestarts", {}, "T_0", (0,), (1,)),
        ("CosineAnnealingWarmRestarts", {"T_0": 1}, "T_mult", (0,), (1,)),
        ("CosineAnnealingWarmRestarts", {"T_0": 1}, "eta_min", (-0.1,), (0,)),
        ("CyclicLR", CYCLE, "base_lr", (0,), (0.1, [0.1])),
        ("CyclicLR", CYCLE, "max_lr", (0, [0.1, 0]), (0.1, [0.1])),
        ("CyclicLR", CYCLE, "base_momentum", (-0.1, 1), (0, 0.9)),
        ("CyclicLR", CYCLE, "max_momentum", (-0.1, 1), (0, 0.9)),
        ("CyclicLR", CYCLE, "step_size_up", (0,), (1,)),
        ("CyclicLR", CYCLE, "step_size_down", (0,), (1, None)),
        ("CyclicLR", CYCLE, "gamma", (0,), (0.1, 1)),
        ("ExponentialLR", {}, "gamma", (0,), (0.1, 1)),
        ("LinearLR", {}, "start_factor", (0, 1.1), (0.1, 1)),
        ("LinearLR", {}, "end_factor", (-0.1, 1.1), (0, 1)),
        ("LinearLR", {}, "total_iters", (0,), (1, None)),
        ("MultiStepLR", {}, "milestones", ([0],), ([1],)),
        ("PolynomialLR", {}, "power", (0,), (0.1,)),
        ("PolynomialLR", {}, "total_iters", (0,), (1, None)),
        ("StepLR", {}, "step_size", (0,), (1,)),
    ],
)
def test_numbers_that_make_no_schedule_are_refused(
    name: str, given: dict[str, Any], key: str, refused: Sequence[Any], accepted: Sequence[Any]
) -> None:
    for value in accepted:
        schedulers.spec(f"torch.{name}", **{**given, key: value})
    for value in refused:
        with pytest.raises(ValidationError, match=key):
            schedulers.spec(f"torch.{name}", **{**given, key: value})


@pytest.mark.parametrize("name", [name for name in schedulers.names() if "torch." in name])
def test_a_file_does_not_say_what_the_engine_does(name: str) -> None:
    fields = schedulers.get(name).parameters.model_fields
    assert not {"optimizer", "last_epoch", "verbose"} & set(fields)
