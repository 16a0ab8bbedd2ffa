"""How a batch is cut into shards, and what BatchNorm does with them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from facesim.errors import FacesimError
from facesim.interfaces import PairBatch
from facesim.training.shards import BatchNorms, Shards, SharedBatch
from tests.facesim.lockstep import in_lockstep


@given(st.integers(1, 400), st.integers(1, 40))
def test_every_image_is_in_one_shard_and_sizes_differ_by_one_at_most(
    images: int, count: int
) -> None:
    cut = Shards(count).cut(images)
    assert [place for shard in cut for place in range(images)[shard]] == list(range(images))
    sizes = [shard.stop - shard.start for shard in cut]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == max(sizes)  # which leaves room for any of them


@pytest.mark.parametrize(
    ("images", "sizes"),
    [(1, [1]), (2, [2]), (3, [3]), (4, [2, 2]), (7, [3, 2, 2]), (8, [2] * 4), (9, [3, 2, 2, 2])],
)
def test_a_small_batch_has_fewer_shards_of_two_images_or_more(
    images: int, sizes: list[int]
) -> None:
    assert [shard.stop - shard.start for shard in Shards(4).cut(images)] == sizes


@given(st.integers(1, 100), st.integers(1, 6), st.integers(1, 5))
def test_the_shards_of_all_processes_are_those_of_one(images: int, size: int, each: int) -> None:
    alone = Shards(size * each)
    shared = [Shards(size * each, rank, size).own(images) for rank in range(size)]
    assert [shard for own in shared for shard in own] == alone.own(images)
    assert alone.own(images) == list(enumerate(alone.cut(images)))
    assert max(map(len, shared)) <= each


def test_shards_that_the_processes_cannot_share_evenly_are_refused_with_what_to_write() -> None:
    assert in_lockstep(2, lambda processes: Shards.of(4, processes)) == [
        Shards(4, 0, 2),
        Shards(4, 1, 2),
    ]
    for count, better in ((1, 3), (4, 6)):
        told = f"is {count}, which 3 processes .* --set train.shards={better}[.]"
        with pytest.raises(FacesimError, match=told):
            in_lockstep(3, lambda processes, count=count: Shards.of(count, processes))  # type: ignore[misc]


def test_each_process_reads_the_images_of_its_shards_and_knows_the_whole_batch() -> None:
    batch = PairBatch.of_pairs(np.array([[9, 3], [3, 60], [7, 8]]), np.arange(70))
    parts = [SharedBatch.of(batch, Shards(4, rank, 4)) for rank in range(4)]
    assert all(part.whole is batch for part in parts)
    # Five images are two shards only, so two processes have none.
    assert [part.images.tolist() for part in parts] == [[3, 7, 8], [9, 60], [], []]


def modules(momentum: float | None = 0.1) -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=momentum), nn.Linear(4, 2))
    return nn.Sequential(*layers, nn.BatchNorm1d(2, momentum=momentum)).train()


def statistics_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in module.named_buffers()}


def shard(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))


def test_the_statistics_of_a_pass_are_those_of_its_images_and_the_layers_keep_theirs() -> None:
    module, images = modules(), shard(5, 1)
    before, norms = statistics_of(module), BatchNorms(module)
    assert norms.size == 2 * (4 + 2)
    with norms.of_one_shard() as collected:
        module(images)
        found = collected()
    first = module[0](images)
    second = module[2](module[1](first))  # in training mode, by the same images
    expected = [first.mean(0), first.var(0), second.mean(0), second.var(0)]
    torch.testing.assert_close(found, torch.cat(expected).detach())
    module = modules()
    with BatchNorms(module).of_one_shard():
        module(images)
    after = statistics_of(module)
    assert all(torch.equal(after[name], buffer) for name, buffer in before.items())
    assert [layer.momentum for layer in module if isinstance(layer, nn.BatchNorm1d)] == [0.1, 0.1]


def test_the_gradient_of_a_pass_is_that_of_its_own_statistics() -> None:
    images, losses = shard(5, 1), []
    for collects in (True, False):
        module = modules()
        norms = BatchNorms(module)
        if collects:
            with norms.of_one_shard():
                outputs = module(images)
            with norms.of_one_shard():  # of the next shard, before the first one's backward
                module(shard(3, 2))
        else:
            outputs = module(images)
        losses.append(torch.autograd.grad(outputs.pow(3).sum(), list(module.parameters()))[0])
    assert torch.equal(*losses)
    assert losses[0].any()


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_running_statistics_move_to_the_mean_of_the_shards_weighted_by_their_images(
    momentum: float | None,
) -> None:
    """Where one layer sees the images themselves, by the formula written out."""
    layer = nn.BatchNorm1d(3, momentum=momentum).train()
    norms, sizes = BatchNorms(layer), (3, 2, 2)
    mean, var = torch.zeros(3), torch.ones(3)
    for step in (1, 2, 3):
        shards = [shard(rows, 10 * step + number) for number, rows in enumerate(sizes)]
        found = []
        for images in shards:
            with norms.of_one_shard() as collected:
                layer(images)
                found.append(collected())
        norms.move(sum((each * (rows / 7) for each, rows in zip(found, sizes, strict=True)), 0))  # type: ignore[arg-type]
        rate = momentum or 1 / step
        of_batch = [
            sum(rows / 7 * moment(images, 0) for images, rows in zip(shards, sizes, strict=True))
            for moment in (torch.mean, torch.var)
        ]
        mean, var = (
            (1 - rate) * old + rate * new for old, new in zip((mean, var), of_batch, strict=True)
        )
        assert layer.running_mean is not None
        assert layer.running_var is not None
        torch.testing.assert_close(layer.running_mean, mean)
        torch.testing.assert_close(layer.running_var, var)
        assert layer.num_batches_tracked == step


def test_one_shard_moves_them_as_torch_does() -> None:
    ours, torchs = modules(), modules()
    norms = BatchNorms(ours)
    for step in range(3):
        with norms.of_one_shard() as collected:
            ours(shard(4, step))
            found = collected()
        norms.move(found)
        torchs(shard(4, step))
    expected = statistics_of(torchs)
    for name, buffer in statistics_of(ours).items():
        torch.testing.assert_close(buffer, expected[name])


def test_layers_that_are_frozen_or_keep_no_statistics_are_left_alone() -> None:
    module = modules()
    module[1].eval()
    stateless = nn.BatchNorm1d(2, track_running_stats=False)
    norms = BatchNorms(module, stateless)
    assert norms.size == 2 * 2
    assert norms.names_in(module) == {
        "3.running_mean", "3.running_var", "3.num_batches_tracked"
    }  # fmt: skip
    before = statistics_of(module)
    with norms.of_one_shard() as collected:
        stateless(module(shard(4, 0)))
        found = collected()
    norms.move(found)
    changed = {
        name for name, old in before.items() if not torch.equal(old, module.get_buffer(name))
    }
    assert changed == norms.names_in(module)


def test_without_batchnorm_there_are_no_statistics() -> None:
    norms = BatchNorms(nn.Linear(3, 2))
    assert norms.size == 0
    with norms.of_one_shard() as collected:
        assert collected().shape == (0,)


def test_a_pass_that_fails_leaves_the_layers_as_they_were() -> None:
    module = modules()
    before = statistics_of(module)
    with pytest.raises(ZeroDivisionError), BatchNorms(module).of_one_shard():
        module(shard(4, 0))
        raise ZeroDivisionError
    after = statistics_of(module)
    assert all(torch.equal(after[name], buffer) for name, buffer in before.items())
    assert module[1].momentum == 0.1
