"""One training step: its loss, its update, and what it draws."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.interfaces import IMAGENET, Backbone, Loss, ModuleHead, PairBatch
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.training.checkpoint import TrainingState
from facesim.training.step import (
    NonFiniteLossError,
    precision_of,
    require_finite,
    seed_step,
    training_loss,
    update,
    why_slow,
)

CPU = torch.device("cpu")


class Giving(Loss):
    """Gives what a function makes of the embeddings."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        loss: Tensor = self.function(embeddings)
        return loss

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=1)


def loss_of(function: Any, precision: str = "float32") -> Tensor:
    torch.manual_seed(0)
    backbone = Backbone(nn.Identity(), nn.Flatten(), 48, IMAGENET)
    network = SiameseNetwork(backbone, ModuleHead(nn.Linear(48, 2)), Giving(function), 2)
    images = torch.arange(6 * 48, dtype=torch.uint8).view(6, 3, 4, 4)
    batch = PairBatch.of_pairs(np.arange(6).reshape(3, 2), np.arange(6))
    return training_loss(network, NetworkInput(images, "pixels"), batch, precision)


def test_the_loss_is_a_scalar_with_its_graph() -> None:
    loss = loss_of(lambda embeddings: embeddings.square().mean())
    assert loss.ndim == 0
    assert loss.requires_grad


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda embeddings: embeddings.sum(dim=1), r"a tensor of shape \[6\]"),
        (lambda embeddings: embeddings.detach().sum(), "a number without gradient"),
        (lambda embeddings: embeddings.sum().item(), r"gives -?\d+\.\d+"),
        (lambda _embeddings: None, "gives None"),
    ],
)
def test_a_loss_that_cannot_be_trained_on_is_refused_by_name(function: Any, wrong: str) -> None:
    with pytest.raises(FacesimError, match=f"the loss Giving.*{wrong}|{wrong}.*must return"):
        loss_of(function)


def test_bfloat16_is_for_tail_and_head_and_not_for_the_loss() -> None:
    seen: list[torch.dtype] = []

    def function(embeddings: Tensor) -> Tensor:
        seen.append(torch.mm(embeddings, embeddings.T).dtype)
        return embeddings.mean()

    exact, rounded = loss_of(function), loss_of(function, "bfloat16")
    assert seen == [torch.float32, torch.float32]
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, rtol=0.05, atol=0.05)


def test_what_a_step_draws_depends_on_seed_and_step_alone() -> None:
    def drawn(seed: int, step: int) -> list[float]:
        seed_step(seed, step, CPU)
        values: list[float] = torch.rand(3).tolist()
        return values

    first = drawn(0, 5)
    assert drawn(0, 6) != first
    assert drawn(1, 5) != first
    assert drawn(0, 5) == first


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_names_its_batch(loss: float) -> None:
    with pytest.raises(NonFiniteLossError, match=r"epoch 2, batch 3 \(step 13\)"):
        require_finite(loss, 2, 3, 13)


def test_a_finite_loss_passes() -> None:
    require_finite(0.0, 1, 1, 1)


def test_auto_precision_is_bfloat16_on_cuda_only_and_what_is_asked_for_holds() -> None:
    cuda = torch.device("cuda")
    assert precision_of("auto", CPU) == precision_of("float32", cuda) == "float32"
    assert precision_of("auto", cuda) == precision_of("bfloat16", CPU) == "bfloat16"


def test_an_update_follows_its_own_gradient_at_the_rate_before_the_scheduler_moves_it() -> None:
    weight = nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    state = TrainingState(None, optimizer, scheduler, 1, None)  # type: ignore[arg-type]
    rates = (0.5, 0.25, 0.125)
    expected = 1.0
    for rate in rates:
        update(state, weight * 2)
        expected -= rate * 2
        assert weight.item() == expected


@pytest.mark.parametrize(
    ("machine", "has_bfloat16", "precision", "warns"),
    [
        ("x86_64", False, "bfloat16", True),
        ("x86_64", True, "bfloat16", False),
        ("x86_64", False, "float32", False),
        ("arm64", False, "bfloat16", False),
    ],
)
def test_bfloat16_is_slow_on_processors_that_emulate_it(
    machine: str,
    has_bfloat16: bool,
    precision: str,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: has_bfloat16, raising=False)
    reason = why_slow(precision, CPU)
    assert (reason is not None) == warns
    assert reason is None or "precision: float32" in reason
    assert why_slow(precision, torch.device("cuda", 0)) is None
