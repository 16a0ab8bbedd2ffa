import pytest
import torch
from pydantic import ValidationError

from facesim import FacesimError, optimizers


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_follow_the_momentum(nesterov: bool) -> None:
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


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(FacesimError, match="needs a momentum above 0"):
        optimizers.spec("sgd", lr=0.1, momentum=0.0, nesterov=True).build([])


def test_the_learning_rate_must_be_said() -> None:
    with pytest.raises(ValidationError, match="lr"):
        optimizers.spec("sgd")
