"""Plugins that behave otherwise as one of several processes are refused."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from facesim import (
    IMAGENET,
    Backbone,
    Loss,
    PairBatch,
    Sampler,
    backbones,
    heads,
    losses,
    samplers,
)
from facesim.registry import Spec
from facesim.testing import CONTRACTS, CheckImpossibleError, Violation, check_plugin
from facesim.testing.process_group import difference_of_outcomes, one_of_several

SHARDS, AGAIN = "gradient_over_shards_is_that_of_the_whole_batch", "same_batch_has_the_same_loss"


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with losses.isolated(), samplers.isolated(), heads.isolated(), backbones.isolated():
        yield


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


class Contrastive(Loss):
    """A contrastive loss without a fault, from which the broken ones derive."""

    def __init__(self, embedding_dim: int, num_identities: int) -> None:
        super().__init__()
        self.ceiling = nn.Parameter(torch.tensor(2.0))

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        distance = -self.score(*batch.gather(embeddings.float()))
        costs = torch.where(batch.same, distance, (self.ceiling - distance).clamp_min(0)).square()
        return costs.sum() / max(len(costs), 1)

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        distance: Tensor = torch.linalg.vector_norm(a.float() - b.float(), dim=1)
        return -distance


def multiplied(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    return size() * Contrastive.forward(loss, embeddings, batch)  # type: ignore[arg-type]


def divided_by_the_environment(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    value = Contrastive.forward(loss, embeddings, batch)  # type: ignore[arg-type]
    return value / int(os.environ.get("WORLD_SIZE", "1"))


def gradient_multiplied(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    if size() > 1 and embeddings.requires_grad:
        embeddings = embeddings + (size() - 1) * (embeddings - embeddings.detach())
    return Contrastive.forward(loss, embeddings, batch)  # type: ignore[arg-type]


def others_detached(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    parts = list(embeddings.tensor_split(size()))
    parts = [part if n == rank() else part.detach() for n, part in enumerate(parts)]
    return Contrastive.forward(loss, torch.cat(parts), batch)  # type: ignore[arg-type]


def gathered(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    if size() > 1:
        everywhere = [torch.empty_like(embeddings) for _ in range(size())]
        dist.all_gather(everywhere, embeddings.detach())
        embeddings = torch.cat(everywhere)
    return Contrastive.forward(loss, embeddings, batch)  # type: ignore[arg-type]


def reduced_and_caught(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    value = Contrastive.forward(loss, embeddings, batch)  # type: ignore[arg-type]
    if size() > 1:
        try:
            dist.all_reduce(value.detach())
        except RuntimeError:
            return value
    return value


def random_by_rank(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    noise = torch.randn(len(embeddings), 1, generator=torch.Generator().manual_seed(rank()))
    return Contrastive.forward(loss, embeddings + noise, batch)  # type: ignore[arg-type]


def random_by_process(loss: Loss, embeddings: Tensor, batch: PairBatch) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng().normal(size=(len(embeddings), 1)))
    return Contrastive.forward(loss, embeddings + noise, batch)  # type: ignore[arg-type]


WITH_12 = "as process 0 of 3, with every pair of 12 images,"
BROKEN = [
    (
        multiplied,
        SHARDS,
        f"{WITH_12} the loss is multiplied by the number of processes",
    ),
    (
        divided_by_the_environment,
        SHARDS,
        f"{WITH_12} the loss is divided by the number of processes",
    ),
    (
        gradient_multiplied,
        SHARDS,
        f"{WITH_12} the gradient of the embeddings is multiplied by the number of processes",
    ),
    (
        others_detached,
        SHARDS,
        f"{WITH_12} images 4, 5, 6, 7, 8, 9, 10, 11 of the batch have no gradient, as if detached",
    ),
    (gathered, SHARDS, f"{WITH_12} it calls torch.distributed.all_gather"),
    (reduced_and_caught, SHARDS, f"{WITH_12} it calls torch.distributed.all_reduce"),
    (random_by_rank, SHARDS, "as process 2 of 3, with every pair of 12 images, the loss differs"),
    (random_by_process, AGAIN, "with every pair of 12 images, the second time the loss differs"),
]


@pytest.mark.parametrize(
    ("forward", "promise", "observed"), BROKEN, ids=[forward.__name__ for forward, *_ in BROKEN]
)
def test_a_loss_that_is_another_on_several_processes_is_refused_with_what_it_does(
    forward: Callable[[Loss, Tensor, PairBatch], Tensor], promise: str, observed: str
) -> None:
    @losses("broken")
    class Broken(Contrastive):
        """Is another loss on each process."""

    Broken.forward = forward  # type: ignore[method-assign, assignment]
    broken = violation(losses.spec("broken"), promise)

    assert broken is not None
    assert broken.plugin.startswith("the loss 'broken' (")
    assert broken.observed.startswith(observed)
    if promise == SHARDS:
        assert "the loss gets the whole batch on every process" in broken.hint


def test_weights_that_begin_otherwise_by_rank_are_found() -> None:
    @losses("broken")
    class Broken(Contrastive):
        """Draws another ceiling on each process, which no image of the first batches reaches."""

        def __init__(self, embedding_dim: int, num_identities: int) -> None:
            super().__init__(embedding_dim, num_identities)
            self.register_buffer("center", torch.full((2,), float(rank())))

    broken = violation(losses.spec("broken"), SHARDS)

    assert broken is not None
    assert "as process 2 of 3" in broken.observed
    assert "center, after a step, differs by up to 2" in broken.observed


def test_a_loss_without_a_fault_passes() -> None:
    losses("faultless")(Contrastive)
    assert violation(losses.spec("faultless"), SHARDS) is None
    assert violation(losses.spec("faultless"), AGAIN) is None


def test_a_sampler_that_takes_its_share_by_rank_is_refused() -> None:
    @samplers("broken")
    class Broken(Sampler):
        """Deals the batches out, as torch's DistributedSampler does."""

        def __init__(self, identities: Any, batch_size: int, seed: int) -> None:
            self.identities, self.batch_size = identities, batch_size

        def batches(self, epoch: int) -> Iterator[PairBatch]:
            order = np.random.default_rng(epoch).permutation(len(self.identities))
            pairs = np.stack([order, np.roll(order, 1)], axis=1)[rank() :: size()]
            for start in range(0, len(pairs), self.batch_size):
                yield PairBatch.of_pairs(pairs[start : start + self.batch_size], self.identities)

        def __len__(self) -> int:
            return 1

    broken = violation(samplers.spec("broken"), "every_process_draws_the_same_batches")

    assert broken is not None
    assert broken.observed.startswith("as process 0 of 3, with 30 identities of 6 images, the list")
    assert "take no share by rank" in broken.hint


def test_a_head_that_normalises_over_the_images_of_all_processes_is_refused() -> None:
    @heads("broken")
    def broken(features: int) -> nn.Module:
        """Has a batch normalisation that gathers."""
        return nn.Sequential(nn.Linear(features, 4), nn.SyncBatchNorm(4))

    found = violation(heads.spec("broken"), "every_process_computes_its_own_images")

    assert found is not None
    assert "SyncBatchNorm" in found.observed
    assert "write BatchNorm for SyncBatchNorm" in found.hint


def test_a_backbone_whose_tail_averages_over_all_processes_is_refused() -> None:
    class Mean(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            if size() > 1:
                dist.all_reduce(features.detach().mean())
            return features

    @backbones("broken")
    def broken() -> Backbone:
        """Asks the other processes for their mean."""
        tail = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), Mean())
        return Backbone(nn.Identity(), tail, 8, IMAGENET)

    found = violation(backbones.spec("broken"), "every_process_computes_its_own_images")

    assert found is not None
    assert (
        found.observed == "as process 0 of 3, with 4 images, it calls torch.distributed.all_reduce"
    )


def test_every_collective_is_refused_by_its_name() -> None:
    ones, three = torch.ones(3), [torch.ones(3)] * 3
    calls: dict[str, Callable[[], object]] = {
        "all_gather": lambda: dist.all_gather(three, ones),
        "all_gather_into_tensor": lambda: dist.all_gather_into_tensor(torch.ones(9), ones),
        "all_reduce": lambda: dist.all_reduce(ones),
        "all_to_all": lambda: dist.all_to_all(three, three),
        "all_to_all_single": lambda: dist.all_to_all_single(ones, ones),
        "barrier": dist.barrier,
        "broadcast": lambda: dist.broadcast(ones, 0),
        "gather": lambda: dist.gather(ones, None, 0),
        "recv": lambda: dist.recv(ones, 0),
        "reduce": lambda: dist.reduce(ones, 0),
        "reduce_scatter": lambda: dist.reduce_scatter(ones, three),
        "reduce_scatter_tensor": lambda: dist.reduce_scatter_tensor(ones, torch.ones(9)),
        "scatter": lambda: dist.scatter(ones, None, 0),
        "send": lambda: dist.send(ones, 0),
    }
    for name, call in calls.items():
        with one_of_several(2, 3) as called:
            with pytest.raises(RuntimeError, match=f"torch.distributed.{name} was called"):
                call()
            assert called == [name]


def test_a_group_of_some_of_the_processes_is_refused_its_collectives_too() -> None:
    with one_of_several(2, 3) as called:
        group: Any = dist.new_group([0, 2])
        with pytest.raises(RuntimeError):
            dist.all_reduce(torch.ones(2), group=group)
    assert called == ["all_reduce"]


def test_afterwards_everything_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "7")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    hook = sys.excepthook
    with pytest.raises(ZeroDivisionError), one_of_several(1, 3):
        assert (dist.get_rank(), dist.get_world_size()) == (1, 3)
        assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == ("1", "3")
        raise ZeroDivisionError
    assert not dist.is_initialized()
    assert (os.environ["RANK"], os.environ.get("WORLD_SIZE")) == ("7", None)
    assert sys.excepthook is hook


def test_a_plugin_may_end_the_process_group() -> None:
    with one_of_several(0, 2):
        dist.destroy_process_group()
    assert not dist.is_initialized()


def test_in_a_process_group_the_kit_says_that_it_cannot_check(tmp_path: Path) -> None:
    losses("faultless")(Contrastive)
    dist.init_process_group(
        "gloo", rank=0, world_size=1, init_method=f"file://{tmp_path / 'rendezvous'}"
    )
    try:
        with pytest.raises(
            CheckImpossibleError, match=r"process 0 of 1 .* run it without torchrun"
        ):
            check_plugin(losses.spec("faultless"))
        assert dist.is_initialized()
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize(
    ("found", "observed"),
    [
        ({"x": torch.tensor([1.0, float("nan")])}, ""),
        ({"x": torch.tensor([1.0, 2.0])}, "x differs by up to 2"),
        ({"x": torch.zeros(3)}, "x has shape [3] and not [2]"),
        ({}, "there is no x"),
    ],
)
def test_a_difference_is_told(found: dict[str, Tensor], observed: str) -> None:
    assert difference_of_outcomes({"x": torch.tensor([1.0, float("nan")])}, found) == observed


def violation(spec: Spec[Any], promise: str) -> Violation | None:
    (checked,) = (it for it in CONTRACTS[spec.plugin.kind].promises if it.name == promise)
    return checked.broken_by(spec)
