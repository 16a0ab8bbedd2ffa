"""Contract of optimizers."""

import torch
from torch import nn
from torch.optim import Optimizer

from facesim.registry import Spec
from facesim.testing.contract import Contract, promises_of_every_kind, require
from facesim.testing.modules import through_a_file

OPTIMIZER: Contract[Optimizer] = Contract("optimizer", promises_of_every_kind())


@OPTIMIZER.promise(hint="pass all parameter groups to torch.optim.Optimizer, and update them all")
def every_parameter_changes(spec: Spec[Optimizer]) -> None:
    """A step changes every parameter of every group."""
    model = _network()
    before = [parameter.clone() for parameter in model.parameters()]
    _train(model, _build(spec, model), range(1))
    still = [
        name
        for (name, parameter), old in zip(model.named_parameters(), before, strict=True)
        if torch.equal(parameter, old)
    ]
    require(not still, f"unchanged after a step: {', '.join(still)}")


@OPTIMIZER.promise(hint="step against the gradient, and choose defaults that do not diverge")
def loss_falls(spec: Spec[Optimizer]) -> None:
    """Two hundred steps on a small regression lower its loss."""
    model = _network()
    optimizer = _build(spec, model)
    first = _train(model, optimizer, range(1))
    last = _train(model, optimizer, range(200))
    require(last < first, f"the loss went from {first:.4g} to {last:.4g}")


@OPTIMIZER.promise(hint="pass the groups on as they are instead of making new dictionaries")
def groups_keep_their_names(spec: Spec[Optimizer]) -> None:
    """The groups keep their order and names (tail, head, loss), and each has an ``lr``."""
    groups = _build(spec, _network()).param_groups
    names = [group.get("name") for group in groups]
    require(names == ["tail", "head"], f"the groups tail and head became {names}")
    require(all("lr" in group for group in groups), "a group has no `lr` for a scheduler to change")


@OPTIMIZER.promise(hint="keep the state of a step in self.state[parameter], as tensors")
def resuming_is_bit_identical(spec: Spec[Optimizer]) -> None:
    """Restored from a checkpoint it continues bit-identically to an uninterrupted run."""
    whole = _network()
    _train(whole, _build(spec, whole), range(10))
    interrupted = _network()
    optimizer = _build(spec, interrupted)
    _train(interrupted, optimizer, range(6))
    saved = through_a_file((interrupted.state_dict(), optimizer.state_dict()))

    resumed = _network()
    resumed.load_state_dict(saved[0])
    optimizer = _build(spec, resumed)
    optimizer.load_state_dict(saved[1])
    _train(resumed, optimizer, range(6, 10))
    pairs = zip(whole.parameters(), resumed.parameters(), strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    require(same, "6 steps, a checkpoint and 4 more steps give other weights than 10 steps")


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1))


def _build(spec: Spec[Optimizer], network: nn.Sequential) -> Optimizer:
    parts = {"tail": network[0], "head": network[2]}
    return spec.build(
        [{"name": name, "params": list(part.parameters())} for name, part in parts.items()]
    )


def _train(model: nn.Module, optimizer: Optimizer, steps: range) -> float:
    loss = torch.zeros(())
    for step in steps:
        inputs = torch.randn(16, 6, generator=torch.Generator().manual_seed(step % 4))
        optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
    return loss.item()
