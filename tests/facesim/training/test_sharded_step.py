"""A step on a batch in shards: its gradient is that of the whole batch."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facesim import losses
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.interfaces import IMAGENET, Backbone, Loss, ModuleHead, PairBatch
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.processes import Processes
from facesim.training.checkpoint import TrainingState
from facesim.training.sharded_step import ShardedStep
from facesim.training.shards import Shards, SharedBatch
from facesim.training.step import training_loss, update
from tests.facesim.lockstep import in_lockstep

load_installed_plugins()

IDENTITIES = np.arange(24) // 4
BATCH = PairBatch.of_pairs(np.array([[0, 1], [4, 6], [4, 5], [1, 9], [0, 8], [5, 2]]), IDENTITIES)
"""Eight images of three people."""

IMAGES = torch.arange(24 * 3 * 4 * 4, dtype=torch.uint8).view(24, 3, 4, 4)


def state_of(loss: Loss | None = None, *, tail: nn.Module | None = None) -> TrainingState:
    """A network of linear layers, always the same, that is trained by plain gradients."""
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(48, 6), nn.Tanh(), nn.Linear(6, 4))
    backbone = Backbone(nn.Identity(), nn.Sequential(nn.Flatten(), tail or nn.Identity()), 48,
                        IMAGENET)  # fmt: skip
    chosen: Loss = loss or losses.spec("contrastive").build(4, 6)
    network = SiameseNetwork(backbone, ModuleHead(head), chosen, 4).train()
    return trained(network)


def trained(network: SiameseNetwork) -> TrainingState:
    optimizer = torch.optim.SGD(network.parameter_groups(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    return TrainingState(network, optimizer, scheduler, 6, None)  # type: ignore[arg-type]


def step(
    state: TrainingState,
    shards: int,
    processes: Processes | None = None,
    *,
    ordered: bool = True,
    seed: int = 0,
    number: int = 0,
) -> Tensor:
    """One step on the batch; returns the loss, and leaves gradients and moved weights."""
    processes = processes or Processes()
    cut = Shards.of(shards, processes)
    sharded = ShardedStep(state, cut, processes, seed=seed, precision="float32", ordered=ordered)
    part = SharedBatch.of(BATCH, cut)
    loss = sharded.loss(part, NetworkInput(IMAGES[part.images], "pixels"), number)
    sharded.update(loss)
    return loss.detach()


def gradients(state: TrainingState) -> dict[str, Tensor | None]:
    return {name: weight.grad for name, weight in state.network.named_parameters()}


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 64])
@pytest.mark.parametrize(
    "name", ["contrastive", "supcon", "arcface", "learned", "triplet", "circle"]
)
def test_loss_and_gradients_are_those_of_the_whole_batch(name: str, shards: int) -> None:
    torch.manual_seed(1)
    whole = state_of(losses.spec(name).build(4, 6))
    torch.manual_seed(1)
    cut = state_of(losses.spec(name).build(4, 6))
    expected = training_loss(
        whole.network, NetworkInput(IMAGES[BATCH.images], "pixels"), BATCH, "float32"
    )
    update(whole, expected)
    torch.testing.assert_close(step(cut, shards), expected.detach())
    found = gradients(cut)
    for weight, gradient in gradients(whole).items():
        assert gradient is not None
        assert gradient.any()
        torch.testing.assert_close(found[weight], gradient, rtol=1e-4, atol=1e-6, msg=weight)
    moved = dict(cut.network.named_parameters())
    for weight, value in whole.network.named_parameters():
        torch.testing.assert_close(moved[weight], value, rtol=1e-4, atol=1e-6)


class Dropout(nn.Module):
    """Drops images' features by torch's generator, and notes what came through."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, features: Tensor) -> Tensor:
        kept = torch.rand(features.shape) < 0.5
        self.seen.append(kept)
        return features * kept


def test_what_a_shard_draws_depends_on_seed_step_and_shard_alone() -> None:
    def drawn(size: int, seed: int = 0, number: int = 0) -> list[Tensor]:
        def work(processes: Processes) -> list[Tensor]:
            dropout = Dropout()
            step(state_of(tail=dropout), 4, processes, seed=seed, number=number)
            return dropout.seen

        return [each for of_one in in_lockstep(size, work) for each in of_one]

    alone = drawn(1)
    assert len(alone) == 4
    assert not any(torch.equal(a, b) for a, b in pairwise(alone))
    for size in (2, 4):
        assert all(torch.equal(a, b) for a, b in zip(drawn(size), alone, strict=True))
    for others in (drawn(1, seed=1), drawn(1, number=1)):
        assert not any(torch.equal(a, b) for a, b in zip(others, alone, strict=True))


class Drawing(Loss):
    """Draws which images it looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        return self.scale * (embeddings.square().mean(1) * torch.rand(len(embeddings))).sum()

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(1)


@pytest.mark.parametrize("ordered", [True, False])
def test_every_process_has_the_same_loss_and_gradients(ordered: bool) -> None:
    def work(processes: Processes) -> tuple[Tensor, dict[str, Tensor | None]]:
        state = state_of(Drawing())
        return step(state, 4, processes, ordered=ordered), gradients(state)

    ((loss, alone),) = in_lockstep(1, work)
    assert alone["loss.scale"] is not None
    for size in (2, 4):
        for other_loss, found in in_lockstep(size, work):
            assert torch.equal(loss, other_loss)  # of embeddings that no sum has touched
            for name, gradient in alone.items():
                if ordered and gradient is not None:
                    assert torch.equal(found[name], gradient), name  # type: ignore[arg-type]
                else:
                    torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6)


class HalfUsed(nn.Module):
    """Of its two layers the second is never used, and the third only for bright images."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.of_some = (nn.Linear(48, 48) for _ in range(3))

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.used(features)
        if len(features) and features.mean() > self.threshold:
            found = found + self.of_some(features)
        return found

    threshold = 0.0


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_weight_that_no_shard_uses_has_no_gradient_and_is_not_decayed(
    size: int, ordered: bool
) -> None:
    means = [IMAGES[BATCH.images[place]].float().mean() for place in Shards(4).cut(8)]
    by_value = sorted(float((each / 255 - 0.449) / 0.226) for each in means)

    def work(processes: Processes) -> dict[str, Tensor | None]:
        tail = HalfUsed()
        tail.threshold = (by_value[-1] + by_value[-2]) / 2  # of one shard
        state = state_of(tail=tail)
        step(state, 4, processes, ordered=ordered)
        return {name.rpartition("1.")[2]: each for name, each in gradients(state).items()}

    for found in in_lockstep(size, work):
        assert found["unused.weight"] is None
        for name in ("used.weight", "of_some.weight"):
            gradient = found[name]
            assert gradient is not None
            assert gradient.any()


class Averaged(nn.Module):
    """Keeps a running mean that is no BatchNorm's."""

    def __init__(self, changes: bool) -> None:
        super().__init__()
        self.register_buffer("average", torch.zeros(48))
        self.average: Tensor
        self.changes = changes

    def forward(self, features: Tensor) -> Tensor:
        if self.changes:
            self.average = 0.9 * self.average + 0.1 * features.detach().mean(0)
        return features - self.average


def test_a_buffer_that_changes_and_is_no_batchnorms_is_refused() -> None:
    step(state_of(tail=Averaged(False)), 2)
    told = r"the buffer '1\.average' of the tail, .* write `train: \{shards: 1\}`"
    with pytest.raises(FacesimError, match=told):
        step(state_of(tail=Averaged(True)), 2)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_only_the_loss_may_be_trained(size: int) -> None:
    def work(processes: Processes) -> tuple[Tensor, Tensor]:
        state = state_of(losses.spec("arcface").build(4, 6))
        for part in (state.network.backbone, state.network.head):
            part.requires_grad_(False)
        weights: list[Tensor] = list(state.network.loss.parameters())
        before = weights[0].detach().clone()
        step(trained(state.network), 4, processes)
        return weights[0].detach(), before

    for after, before in in_lockstep(size, work):
        assert not torch.equal(after, before)


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda embeddings: embeddings.sum(1), r"a tensor of shape \[8\]"),
        (lambda embeddings: embeddings.detach().sum(), "a number without gradient"),
    ],
)
def test_a_loss_that_cannot_be_trained_on_is_refused(
    function: Callable[[Tensor], Tensor], wrong: str
) -> None:
    loss = Drawing()
    loss.forward = lambda embeddings, batch: function(embeddings)  # type: ignore[method-assign]
    with pytest.raises(FacesimError, match=f"Drawing gives {wrong}"):
        step(state_of(loss), 2)


def test_running_statistics_weigh_each_shard_by_its_images() -> None:
    """So the mean is that of the batch, also where its shards have 3, 3 and 2 images."""
    layer, seen = nn.BatchNorm1d(48), []
    layer.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    step(state_of(tail=layer), 3)
    assert [len(each) for each in seen] == [3, 3, 2]
    variance = torch.stack([each.var(0) * len(each) / 8 for each in seen]).sum(0)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    torch.testing.assert_close(layer.running_mean, 0.1 * torch.cat(seen).mean(0))
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * variance)
