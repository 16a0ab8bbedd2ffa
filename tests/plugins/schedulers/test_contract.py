"""What every registered scheduler promises."""

import io

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from facesim import schedulers

EVERY_SCHEDULER = pytest.mark.parametrize("name", schedulers.names())


def build(name: str, total_steps: int) -> tuple[SGD, LRScheduler]:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in (1.0, 0.1)]
    optimizer = SGD(groups, momentum=0.9)
    return optimizer, schedulers.spec(name).build(optimizer, total_steps)


def rates(optimizer: SGD, scheduler: LRScheduler, steps: int) -> list[list[float]]:
    used = []
    for _ in range(steps):
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return used


@EVERY_SCHEDULER
@pytest.mark.parametrize("total_steps", [1, 2, 3, 10, 97])
def test_rates_are_positive_and_at_most_the_optimizers(name: str, total_steps: int) -> None:
    used = rates(*build(name, total_steps), total_steps)
    assert all(0 < first <= 1 for first, _ in used)


@EVERY_SCHEDULER
def test_every_group_keeps_its_share(name: str) -> None:
    used = rates(*build(name, 20), 20)
    assert [second for _, second in used] == pytest.approx([0.1 * first for first, _ in used])


@EVERY_SCHEDULER
def test_stepping_beyond_the_end_is_harmless(name: str) -> None:
    used = rates(*build(name, 10), 15)
    assert all(0 <= first <= 1 for first, _ in used)


@EVERY_SCHEDULER
@pytest.mark.parametrize("interrupted_at", [0, 1, 7, 19])
def test_a_restored_scheduler_goes_on_bit_for_bit(name: str, interrupted_at: int) -> None:
    whole = rates(*build(name, 20), 20)

    optimizer, scheduler = build(name, 20)
    begun = rates(optimizer, scheduler, interrupted_at)
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), scheduler.state_dict()), file)
    file.seek(0)
    of_optimizer, of_scheduler = torch.load(file, weights_only=True)

    optimizer, scheduler = build(name, 20)
    optimizer.load_state_dict(of_optimizer)
    scheduler.load_state_dict(of_scheduler)
    assert begun + rates(optimizer, scheduler, 20 - interrupted_at) == whole
