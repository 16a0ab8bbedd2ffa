"""What every registered optimizer promises."""

import io
from typing import Any

import pytest
import torch
from torch import nn

from facesim import optimizers

PARAMETERS: dict[str, dict[str, Any]] = {"sgd": {"lr": 0.01}}
EVERY_OPTIMIZER = pytest.mark.parametrize("name", optimizers.names())


def build(name: str, network: nn.Sequential) -> torch.optim.Optimizer:
    groups = [
        {"name": part, "params": list(module.parameters())}
        for part, module in zip(("tail", "head"), (network[0], network[2]), strict=True)
    ]
    return optimizers.spec(name, **PARAMETERS.get(name, {})).build(groups)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> float:
    loss = torch.zeros(())
    for step in steps:
        inputs = torch.randn(16, 6, generator=torch.Generator().manual_seed(step % 4))
        optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
    return loss.item()


@EVERY_OPTIMIZER
def test_every_parameter_of_every_group_moves_and_the_loss_falls(name: str) -> None:
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    optimizer = build(name, model)
    first = train(model, optimizer, range(1))
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert train(model, optimizer, range(200)) < first


@EVERY_OPTIMIZER
def test_the_groups_keep_their_names(name: str) -> None:
    assert [group["name"] for group in build(name, network()).param_groups] == ["tail", "head"]


@EVERY_OPTIMIZER
def test_a_restored_optimizer_goes_on_bit_for_bit(name: str) -> None:
    whole = network()
    train(whole, build(name, whole), range(10))

    interrupted = network()
    optimizer = build(name, interrupted)
    train(interrupted, optimizer, range(6))
    file = io.BytesIO()
    torch.save({"network": interrupted.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    resumed = network()
    resumed.load_state_dict(saved["network"])
    optimizer = build(name, resumed)
    optimizer.load_state_dict(saved["optimizer"])
    train(resumed, optimizer, range(6, 10))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True)
    )
