import math

import pytest
import torch

from facesim import schedulers


def rates(total_steps: int, **parameters: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    scheduler = schedulers.spec("cosine", **parameters).build(optimizer, total_steps)
    used = []
    for _ in range(total_steps + 1):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


def test_without_warm_up_it_falls_along_half_a_cosine_to_zero() -> None:
    expected = [1 + math.cos(math.pi * step / 8) for step in range(9)]
    assert rates(8) == pytest.approx(expected)


def test_warm_up_climbs_in_equal_steps_to_the_full_rate() -> None:
    used = rates(20, warmup=0.2)
    assert used[:5] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert used[4:] == sorted(used[4:], reverse=True)
    assert used[-1] == pytest.approx(0)


def test_a_share_of_the_rate_can_remain() -> None:
    assert rates(10, final=0.25)[-1] == pytest.approx(0.5)


def test_beyond_the_last_step_it_stays_at_the_end() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    scheduler = schedulers.spec("cosine", final=0.25).build(optimizer, 4)
    for step in range(9):
        assert step < 4 or optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("total_steps", [1, 2, 3])
def test_a_run_may_be_all_warm_up(total_steps: int) -> None:
    used = rates(total_steps, warmup=0.99)
    rising = [2 * (step + 1) / (total_steps + 1) for step in range(total_steps)]
    assert used == pytest.approx([*rising, 2.0])
