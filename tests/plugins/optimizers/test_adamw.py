import pytest
import torch

from facesim import optimizers


def test_weight_decay_does_not_pass_through_the_gradient() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = optimizers.spec("adamw", lr=0.1, weight_decay=0.5).build([{"params": [weight]}])
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))
