import pytest
import torch

from facesim import optimizers


def test_steps_are_those_of_the_paper() -> None:
    lr, decay, (beta1, beta2), eps = 0.1, 0.5, (0.8, 0.9), 1e-6
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = optimizers.spec(
        "adam", lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay
    ).build([{"params": [weight]}])
    expected, mean, square = 2.0, 0.0, 0.0
    for step in range(1, 6):
        gradient = 3 * expected + decay * expected
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        denominator = (square / (1 - beta2**step)) ** 0.5 + eps
        expected -= lr * mean / (1 - beta1**step) / denominator
        weight.grad = 3 * weight.detach()
        optimizer.step()
    assert weight.item() == pytest.approx(expected, rel=1e-5)
