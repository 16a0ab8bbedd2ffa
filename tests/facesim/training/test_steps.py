"""Training gives the same bits on any number of processes, and a planted bug is noticed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from facesim import heads
from facesim.discovery import load_installed_plugins
from facesim.errors import FacesimError
from facesim.experiment.loading import load_experiment
from facesim.experiment.schema import Experiment
from facesim.heartbeats import GroupFailedError, RankFailure
from facesim.interfaces import PairBatch
from facesim.processes import Processes
from facesim.training.build import prepare
from facesim.training.checkpoint import Progress
from facesim.training.shards import BatchNorms, Shards
from facesim.training.step import NonFiniteLossError
from facesim.training.steps import Steps
from tests.facesim.lockstep import Lockstep, in_lockstep

load_installed_plugins()

Plant = Callable[[Steps, Processes], None]
"""Puts a bug into the steps of one process."""

SHARDS = 4
STEPS = 3


@pytest.fixture(autouse=True)
def _head_with_dropout() -> Iterator[None]:
    with heads.isolated():

        @heads("with_dropout")
        def with_dropout(
            features: int,
            *,
            out_dim: Annotated[int, Field(gt=0, description="width of the embedding")] = 4,
        ) -> nn.Module:
            """A linear layer behind dropout."""
            return nn.Sequential(nn.Dropout(0.5), nn.Linear(features, out_dim))

        yield


@pytest.fixture
def experiment(tiny_file: Path) -> Callable[..., Experiment]:
    def load(*overrides: str) -> Experiment:
        return load_experiment(
            tiny_file, ("head=with_dropout", f"train.shards={SHARDS}", *overrides)
        )

    return load


def no_bug(steps: Steps, processes: Processes) -> None:
    """Nothing planted."""


def trained(
    experiment: Experiment, size: int, plant: Plant = no_bug
) -> list[tuple[dict[str, Tensor], list[float]]]:
    """The weights, buffers and losses of each process after a few steps."""

    def work(processes: Lockstep) -> tuple[dict[str, Tensor], list[float]]:
        components = prepare(experiment)
        steps, progress, found = Steps(components, processes), Progress(), []
        plant(steps, processes)
        for part, inputs in steps.batches(0, 0):
            found.append(steps.run(part, inputs, progress).item())
            progress.step += 1
            if progress.step == STEPS:
                break
        return dict(components.network.state_dict()), found

    return in_lockstep(size, work)


def require_same_bits(experiment: Experiment, plant: Plant = no_bug) -> None:
    """Require that 1, 2 and 4 processes train to the same weights, by the same losses."""
    ((alone, alone_losses),) = trained(experiment, 1, plant)
    for size in (2, 4):
        for rank, (weights, found) in enumerate(trained(experiment, size, plant)):
            assert found == alone_losses, f"process {rank} of {size} has other losses"
            differing = [name for name in alone if not torch.equal(alone[name], weights[name])]
            assert not differing, f"process {rank} of {size}: {differing}"


BALANCED = "sampler={name: identity_balanced, images_per_identity: 4}"


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("loss=arcface", BALANCED, "optimizer={name: sgd, lr: 0.1}"),
        ("loss=supcon", BALANCED, "head=bnneck"),
        ("loss=learned", "train.batch_size=7"),
    ],
)
def test_one_two_and_four_processes_train_to_the_same_bits(
    experiment: Callable[..., Experiment], overrides: tuple[str, ...]
) -> None:
    require_same_bits(experiment(*overrides))


def test_training_moves_weights_and_running_statistics(
    experiment: Callable[..., Experiment],
) -> None:
    before = prepare(experiment()).network.state_dict()
    ((after, _),) = trained(experiment(), 1)
    unmoved = {name for name, value in before.items() if torch.equal(value, after[name])}
    assert unmoved <= {"backbone.mean", "backbone.std"}


def world_size_factor(steps: Steps, processes: Processes) -> None:
    """The summed gradient is divided by the number of processes, as DistributedDataParallel's."""
    sharded: Any = steps._sharded
    summed = sharded._summed

    def averaged(*by: Tensor) -> Iterator[Tensor | None]:
        for gradient in summed(*by):
            yield None if gradient is None else gradient / processes.size

    sharded._summed = averaged


def detached_gather(steps: Steps, processes: Processes) -> None:
    """A process computes the loss of its own images, and the others' are constants in it."""
    loss: Any = steps._components.network.loss
    forward = loss.forward

    def of_own(embeddings: Tensor, batch: PairBatch) -> Tensor:
        own = torch.zeros(len(embeddings), 1, dtype=torch.bool)
        for _, places in steps._shards.own(len(embeddings)):
            own[places] = True
        seen = torch.where(own, embeddings, embeddings.detach())
        pairs = own[batch.pairs[:, 0], 0]  # whose first image is its own
        part = PairBatch(batch.images, batch.identities, batch.pairs[pairs], batch.same[pairs])
        found: Tensor = forward(seen, part) * (len(part.pairs) / len(batch.pairs))
        whole: Tensor = forward(embeddings.detach(), batch)
        return found - found.detach() + whole  # the losses are not what tells

    loss.forward = of_own


def unordered_reduction(steps: Steps, processes: Processes) -> None:
    """Each process adds up its own gradients first."""
    sharded: Any = steps._sharded
    sharded._ordered = False


def per_process_seeds(steps: Steps, processes: Processes) -> None:
    """The rank is part of the seed."""
    sharded: Any = steps._sharded
    sharded._seed += processes.rank


def seeds_by_place_in_the_process(steps: Steps, processes: Processes) -> None:
    """The shards of each process are counted from 0."""

    class Counted(Shards):
        def own(self, images: int) -> list[tuple[int, slice]]:
            return [(place, each) for place, (_, each) in enumerate(super().own(images))]

    sharded: Any = steps._sharded
    sharded._shards = Counted(SHARDS, processes.rank, processes.size)


def gradients_of_own_shards(steps: Steps, processes: Processes) -> None:
    """Each process moves its weights by its own gradients."""
    sharded: Any = steps._sharded
    update = sharded.update

    def alone(loss: Tensor) -> None:
        sharded._processes = Processes()
        update(loss)
        sharded._processes = processes

    sharded.update = alone


def statistics_of_own_images(steps: Steps, processes: Processes) -> None:
    """BatchNorm is normalised by all shards of a process together."""
    count = processes.size
    sharded: Any = steps._sharded
    steps._shards = sharded._shards = Shards(count, processes.rank, count)


def statistics_that_run_on(steps: Steps, processes: Processes) -> None:
    """A process moves BatchNorm's running statistics by each of its own shards."""
    sharded: Any = steps._sharded
    loss = sharded.loss

    def moving(part: Any, inputs: Any, step: int) -> Tensor:
        found: Tensor = loss(part, inputs, step)
        BatchNorms(steps._components.network).move(torch.full((120,), float(processes.rank)))
        return found

    sharded.loss = moving


@pytest.mark.parametrize(
    "bug",
    [
        world_size_factor,
        detached_gather,
        unordered_reduction,
        per_process_seeds,
        seeds_by_place_in_the_process,
        gradients_of_own_shards,
        statistics_of_own_images,
        statistics_that_run_on,
    ],
    ids=lambda bug: bug.__name__,
)
def test_a_planted_bug_is_noticed(experiment: Callable[..., Experiment], bug: Plant) -> None:
    with pytest.raises(AssertionError, match=r"process \d of \d"):
        require_same_bits(experiment("optimizer={name: sgd, lr: 0.1}"), bug)


def test_the_fast_reduction_is_equal_within_rounding(
    experiment: Callable[..., Experiment],
) -> None:
    fast = experiment("train.reduce=fast", "optimizer={name: sgd, lr: 0.1}")
    ((alone, _),) = trained(fast, 1)
    for size in (2, 4):
        for weights, _ in trained(fast, size):
            for name, expected in alone.items():
                torch.testing.assert_close(weights[name], expected, rtol=1e-4, atol=1e-5)


def test_a_number_of_processes_that_does_not_divide_the_shards_is_refused_before_any_step(
    experiment: Callable[..., Experiment],
) -> None:
    with pytest.raises(FacesimError, match=r"--set train\.shards=6"):
        trained(experiment(), 3)


def test_one_shard_is_a_whole_batch_and_needs_no_sharded_step(
    experiment: Callable[..., Experiment],
) -> None:
    """Whose last bits are those of runs from before there were shards."""
    whole = experiment("train.shards=1")
    steps = Steps(prepare(whole), Processes())
    assert steps._sharded is None
    ((part, inputs),) = [next(steps.batches(0, 0))]
    assert len(inputs) == len(part.images) == len(part.whole.images)


@pytest.mark.parametrize("begin", [0, 2])
def test_an_epoch_goes_on_from_any_batch_with_this_process_s_part_of_it(
    experiment: Callable[..., Experiment], begin: int
) -> None:
    def work(processes: Lockstep) -> list[list[int]]:
        steps = Steps(prepare(experiment()), processes)
        return [part.images.tolist() for part, _ in steps.batches(1, begin)]

    drawn = [batch.images.tolist() for batch in prepare(experiment()).sampler.batches(1)]
    parts = zip(*in_lockstep(2, work), strict=True)
    assert [first + second for first, second in parts] == drawn[begin:]


@pytest.mark.parametrize("shards", [1, 2])
def test_a_loss_that_is_no_number_is_placed_and_moves_no_weight(
    experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    components = prepare(experiment(f"train.shards={shards}"))
    before = {name: value.clone() for name, value in components.network.trained_state().items()}
    steps = Steps(components, Processes())
    part, inputs = next(steps.batches(0, 0))
    monkeypatch.setattr(
        type(components.network.loss),
        "forward",
        lambda _self, embeddings, _batch: embeddings.sum() * float("inf"),
    )
    with pytest.raises(NonFiniteLossError, match=r"at epoch 3, batch 5 \(step 17\)"):
        steps.run(part, inputs, Progress(epoch=2, batch=4, step=16))
    after = components.network.trained_state()
    weights = {name for name, _ in components.network.named_parameters()}
    assert all(torch.equal(after[name], before[name]) for name in weights & after.keys())


def test_where_a_process_fails_in_the_middle_of_a_step_nothing_has_moved(
    experiment: Callable[..., Experiment],
) -> None:
    class Failing(Processes):
        """Gathers embeddings, and no gradients."""

        gathered = 0

        def gather(self, tensor: Tensor) -> list[Tensor]:
            Failing.gathered += 1
            if Failing.gathered == 2:
                raise GroupFailedError(RankFailure(1, "beta", "was killed"), 2, should_print=True)
            return super().gather(tensor)

    components = prepare(experiment("head=bnneck"))
    before = {name: value.clone() for name, value in components.network.state_dict().items()}
    steps, progress = Steps(components, Failing()), Progress()
    part, inputs = next(steps.batches(0, 0))
    with pytest.raises(GroupFailedError):
        steps.run(part, inputs, progress)
    moved = {
        name
        for name, value in components.network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == set()
    steps.run(part, inputs, progress)
    after = components.network.state_dict()
    assert any(
        "running_mean" in name for name in after if not torch.equal(after[name], before[name])
    )
