import pytest
import torch

from facesim import schedulers


def rates(total_steps: int, **parameters: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    scheduler = schedulers.spec("one_cycle", **parameters).build(optimizer, total_steps)
    used = []
    for _ in range(total_steps + 1):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


def test_it_rises_to_the_peak_once_and_falls_once() -> None:
    used = rates(20, rise=0.25, start=0.1, final=0.05)
    assert used[0] == pytest.approx(0.2)
    assert used[5] == pytest.approx(2.0)
    assert used[-1] == pytest.approx(0.1)
    assert used[:6] == sorted(used[:6])
    assert used[5:] == sorted(used[5:], reverse=True)


def test_halfway_up_and_down_is_halfway_between() -> None:
    used = rates(40, rise=0.5, start=0.5, final=0.0)
    assert used[10] == pytest.approx(1.5)
    assert used[30] == pytest.approx(1.0)


def test_a_rise_of_a_single_step_works() -> None:
    assert rates(10, rise=0.1)[1] == pytest.approx(2.0)


def test_beyond_the_last_step_it_stays_at_the_end() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    scheduler = schedulers.spec("one_cycle", final=0.25).build(optimizer, 4)
    for step in range(9):
        assert step < 4 or optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
        optimizer.step()
        scheduler.step()
