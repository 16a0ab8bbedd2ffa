import torch

from facesim import schedulers


def test_the_learning_rate_stays() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.3)
    scheduler = schedulers.spec("constant").build(optimizer, 5)
    for _ in range(7):
        assert optimizer.param_groups[0]["lr"] == 0.3
        optimizer.step()
        scheduler.step()
