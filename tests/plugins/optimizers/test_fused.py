"""Adam, AdamW and SGD against their papers' formulas."""

import pytest
import torch
from pydantic import ValidationError

from facesim import FacesimError, optimizers


def test_adam_steps_are_those_of_the_paper() -> None:
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


def test_adamw_weight_decay_does_not_pass_through_the_gradient() -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = optimizers.spec("adamw", lr=0.1, weight_decay=0.5).build([{"params": [weight]}])
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))


def test_defaults_are_those_of_the_papers() -> None:
    def settings(name: str, **given: float) -> dict[str, object]:
        weight = torch.nn.Parameter(torch.zeros(1))
        return optimizers.spec(name, **given).build([{"params": [weight]}]).defaults

    moments = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
    assert settings("adam").items() >= {**moments, "weight_decay": 0.0}.items()
    assert settings("adamw").items() >= {**moments, "weight_decay": 0.01}.items()
    plain = {"momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
    assert settings("sgd", lr=0.1).items() >= plain.items()


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_steps_follow_the_momentum(nesterov: bool) -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = optimizers.spec("sgd", lr=0.1, momentum=0.5, nesterov=nesterov).build(
        [{"params": [weight]}]
    )
    expected, velocity = 2.0, 0.0
    for _ in range(4):
        gradient = 3 * expected
        velocity = 0.5 * velocity + gradient
        expected -= 0.1 * (gradient + 0.5 * velocity if nesterov else velocity)
        weight.grad = 3 * weight.detach()
        optimizer.step()
    assert weight.item() == pytest.approx(expected, rel=1e-5)


def test_sgd_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(FacesimError, match="needs a momentum above 0"):
        optimizers.spec("sgd", lr=0.1, momentum=0.0, nesterov=True).build([])


def test_sgd_needs_a_learning_rate() -> None:
    with pytest.raises(ValidationError, match="lr"):
        optimizers.spec("sgd")
