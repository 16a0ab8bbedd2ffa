import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from facesim import PairBatch, losses


def naive_loss(embeddings: Tensor, batch: PairBatch, margin: float) -> float:
    costs = []
    for (i, j), same in zip(batch.pairs.tolist(), batch.same.tolist(), strict=True):
        distance = (
            sum((x - y) ** 2 for x, y in zip(embeddings[i], embeddings[j], strict=True)) ** 0.5
        )
        costs.append(float(distance**2 if same else max(0.0, margin - float(distance)) ** 2))
    return sum(costs) / len(costs)


def random_batch(seed: int) -> tuple[Tensor, PairBatch]:
    generator = torch.Generator().manual_seed(seed)
    identities = torch.randint(0, 3, (12,), generator=generator)
    pairs = torch.combinations(torch.arange(12))
    same = identities[pairs[:, 0]] == identities[pairs[:, 1]]
    embeddings = torch.randn(12, 5, generator=generator)
    return embeddings, PairBatch(torch.arange(12), identities, pairs, same)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.5, 2.0, 4.0])
def test_loss_is_what_a_loop_over_the_pairs_gives(seed: int, margin: float) -> None:
    embeddings, batch = random_batch(seed)
    loss = losses.spec("contrastive", margin=margin).build(5, 3)
    assert loss(embeddings, batch).item() == pytest.approx(naive_loss(embeddings, batch, margin))


def test_gradient_is_the_derivative() -> None:
    embeddings, batch = random_batch(0)
    loss = losses.spec("contrastive").build(5, 3)
    embeddings.requires_grad_()
    loss(embeddings, batch).backward()
    with torch.no_grad():
        for position in (0, 17, 42):
            step = torch.zeros(60)
            step[position] = 1e-2
            ends = [
                naive_loss(embeddings + sign * step.view(12, 5), batch, 2.0) for sign in (1, -1)
            ]
            assert embeddings.grad is not None
            expected = (ends[0] - ends[1]) / 2e-2
            assert embeddings.grad.flatten()[position].item() == pytest.approx(expected, abs=1e-3)


def test_score_is_minus_the_euclidean_distance() -> None:
    loss = losses.spec("contrastive").build(2, 3)
    scores = loss.score(
        torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    )
    assert scores.tolist() == [-5.0, 0.0]


def test_impostors_beyond_the_margin_cost_nothing() -> None:
    batch = PairBatch(
        torch.arange(2), torch.tensor([0, 1]), torch.tensor([[0, 1]]), torch.tensor([False])
    )
    embeddings = torch.tensor([[0.0], [2.5]], requires_grad=True)
    loss = losses.spec("contrastive", margin=2.0).build(1, 2)(embeddings, batch)
    loss.backward()
    assert loss.item() == 0
    assert embeddings.grad is not None
    assert embeddings.grad.abs().max() == 0


def test_the_margin_of_the_paper_is_positive() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        losses.spec("contrastive", margin=0.0)


def pairs_at(distance: float, genuine: int, impostors: int) -> tuple[Tensor, PairBatch]:
    """Pairs of the same two images, told to be genuine or not as often as asked."""
    same = torch.tensor([True] * genuine + [False] * impostors)
    pairs = torch.tensor([[0, 1]]).expand(len(same), 2)
    return torch.tensor([[0.0], [distance]]), PairBatch(
        torch.arange(2), torch.zeros(2, dtype=torch.int64), pairs, same
    )


@pytest.mark.parametrize(("genuine", "impostors"), [(1, 1), (1, 3), (5, 2), (0, 1), (1, 0)])
def test_chance_loss_is_the_least_loss_of_pairs_at_one_distance(
    genuine: int, impostors: int
) -> None:
    loss = losses.spec("contrastive", margin=1.5).build(1, 1)
    least = min(
        loss(*pairs_at(distance, genuine, impostors)).item()
        for distance in torch.linspace(0, 2, 81).tolist()
    )
    share = genuine / (genuine + impostors)
    assert loss.chance_loss(share) == pytest.approx(least, abs=1e-3)


def test_an_impostor_pair_costs_nothing_at_the_margin_and_something_inside() -> None:
    loss = losses.spec("contrastive", margin=1.5).build(1, 1)
    margin = loss.impostor_margin()
    assert margin is not None
    assert loss(*pairs_at(-margin, 0, 1)).item() == 0
    assert loss(*pairs_at(-margin - 0.01, 0, 1)).item() > 0
