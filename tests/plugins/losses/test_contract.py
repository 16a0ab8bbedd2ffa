"""What every registered loss promises."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim import Loss, PairBatch, losses

DIM, IDENTITIES = 8, 4
EVERY_LOSS = pytest.mark.parametrize("name", losses.names())


def build(name: str) -> Loss:
    torch.manual_seed(0)
    return losses.spec(name).build(DIM, IDENTITIES)


def batch_of(identities: list[int], keep: Callable[[bool], bool] = lambda same: True) -> PairBatch:
    """Every pair of the images whose label ``keep`` accepts."""
    count = len(identities)
    rows = [
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if keep(identities[i] == identities[j])
    ]
    pairs = torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)
    of_images = torch.tensor(identities)
    same = of_images[pairs[:, 0]] == of_images[pairs[:, 1]]
    return PairBatch(torch.arange(count), of_images, pairs, same)


def embeddings_of(batch: PairBatch, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(batch.images), DIM, generator=generator).requires_grad_()


BATCHES = {
    "all pairs": batch_of([0, 0, 1, 1, 2, 3]),
    "no pair": batch_of([0, 1], lambda same: same),
    "only genuine": batch_of([0, 0, 0, 1, 1], lambda same: same),
    "only impostors": batch_of([0, 1, 2, 3]),
    "one identity": batch_of([2, 2, 2]),
    "one image": batch_of([1]),
}


@EVERY_LOSS
@pytest.mark.parametrize("case", BATCHES)
def test_loss_and_gradients_are_finite_whatever_pairs_the_batch_holds(name: str, case: str) -> None:
    loss = build(name)
    embeddings = embeddings_of(BATCHES[case])
    value = loss(embeddings, BATCHES[case])
    assert value.shape == ()
    value.backward()
    gradients = [embeddings.grad, *(parameter.grad for parameter in loss.parameters())]
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


@EVERY_LOSS
@pytest.mark.parametrize("value", [0.0, 1e-30, 1e4])
def test_gradients_are_finite_where_all_embeddings_are_equal(name: str, value: float) -> None:
    batch = BATCHES["all pairs"]
    embeddings = torch.full((len(batch.images), DIM), value, requires_grad=True)
    loss = build(name)(embeddings, batch)
    loss.backward()
    assert loss.isfinite()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


@EVERY_LOSS
def test_the_order_of_the_pairs_and_of_their_sides_does_not_matter(name: str) -> None:
    loss, batch = build(name), BATCHES["all pairs"]
    embeddings = embeddings_of(batch)
    order = torch.randperm(len(batch.pairs), generator=torch.Generator().manual_seed(1))
    shuffled = PairBatch(
        batch.images, batch.identities, batch.pairs[order].flip(1), batch.same[order]
    )
    torch.testing.assert_close(loss(embeddings, shuffled), loss(embeddings, batch))


@EVERY_LOSS
def test_the_order_of_the_images_does_not_matter(name: str) -> None:
    loss, batch = build(name), BATCHES["all pairs"]
    embeddings = embeddings_of(batch)
    reversed_batch = PairBatch(
        batch.images.flip(0),
        batch.identities.flip(0),
        len(batch.images) - 1 - batch.pairs,
        batch.same,
    )
    torch.testing.assert_close(loss(embeddings.flip(0), reversed_batch), loss(embeddings, batch))


@EVERY_LOSS
def test_score_is_exactly_symmetric(name: str) -> None:
    a, b = torch.randn(2, 50, DIM, generator=torch.Generator().manual_seed(0))
    loss = build(name)
    assert loss.score(a, b).shape == (50,)
    assert torch.equal(loss.score(a, b), loss.score(b, a))


@EVERY_LOSS
def test_score_of_no_pairs_is_empty(name: str) -> None:
    assert build(name).score(torch.empty(0, DIM), torch.empty(0, DIM)).shape == (0,)


@EVERY_LOSS
def test_training_makes_genuine_pairs_score_higher_than_impostors(name: str) -> None:
    batch = batch_of([0, 0, 0, 1, 1, 1, 2, 2, 2])
    loss, embeddings = build(name), embeddings_of(batch)
    optimizer = torch.optim.Adam([embeddings, *loss.parameters()], lr=0.05)
    first = loss(embeddings, batch).item()
    for _ in range(200):
        optimizer.zero_grad()
        value = loss(embeddings, batch)
        value.backward()
        optimizer.step()
    scores = loss.score(*batch.gather(embeddings))
    assert value.item() < first
    assert scores[batch.same].min() > scores[~batch.same].max()


@EVERY_LOSS
def test_half_precision_embeddings_give_nearly_the_same_loss(name: str) -> None:
    loss, batch = build(name), BATCHES["all pairs"]
    embeddings = embeddings_of(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = loss(embeddings.bfloat16(), batch)
    assert halved.dtype == torch.float32
    torch.testing.assert_close(halved, loss(embeddings, batch), rtol=0.05, atol=0.05)


@EVERY_LOSS
def test_state_survives_a_round_trip(name: str) -> None:
    trained, fresh = build(name), losses.spec(name).build(DIM, IDENTITIES)
    fresh.load_state_dict(trained.state_dict())
    a, b = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 20, DIM))).float()
    assert torch.equal(trained.score(a, b), fresh.score(a, b))
