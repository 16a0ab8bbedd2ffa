import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from facesim import PairBatch, losses

Drawn = tuple[Tensor, PairBatch]


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 1.0), (5.0, 4.0), (0.1, -2.0)])
def test_loss_is_what_a_loop_over_the_pairs_gives(drawn: Drawn, scale: float, bias: float) -> None:
    embeddings, batch = drawn
    costs = []
    for (first, second), same in zip(batch.pairs.tolist(), batch.same.tolist(), strict=True):
        logit = bias - scale * math.dist(embeddings[first].tolist(), embeddings[second].tolist())
        costs.append(math.log1p(math.exp(-logit if same else logit)))
    loss = losses.spec("bce_distance", scale=scale, bias=bias).build(8, 10)
    assert loss(embeddings, batch).item() == pytest.approx(sum(costs) / len(costs), rel=1e-5)


def test_scale_and_bias_are_learned_and_the_scale_stays_positive() -> None:
    # Genuine pairs are farther apart: the scale would like to be negative.
    batch = PairBatch(
        torch.arange(4),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([[0, 1], [2, 3], [0, 2], [1, 3]]),
        torch.tensor([True, True, False, False]),
    )
    embeddings = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [3.0, 1.0]])
    loss = losses.spec("bce_distance").build(2, 2)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.3)
    values = []
    for _ in range(500):
        optimizer.zero_grad()
        value = loss(embeddings, batch)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] == pytest.approx(loss.chance_loss(0.5), abs=5e-3)
    scores = loss.score(torch.zeros(3, 2), torch.tensor([[0.0, 1.0], [0.0, 5.0], [0.0, 50.0]]))
    assert (scores.diff() < 0).all()


def test_score_is_the_logit_falling_with_the_distance() -> None:
    loss = losses.spec("bce_distance", scale=2.0, bias=3.0).build(2, 3)
    a, b = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    torch.testing.assert_close(loss.score(a, b), torch.tensor([-7.0, 3.0]))


@pytest.mark.parametrize("genuine", [0, 1, 3, 10])
def test_chance_loss_is_the_least_loss_of_pairs_at_one_distance(genuine: int) -> None:
    same = torch.arange(10) < genuine
    pairs = torch.tensor([[0, 1]]).expand(10, 2)
    batch = PairBatch(torch.arange(2), torch.zeros(2, dtype=torch.int64), pairs, same)
    least = min(
        losses.spec("bce_distance", bias=bias).build(1, 1)(torch.zeros(2, 1), batch).item()
        for bias in torch.linspace(-8, 8, 81).tolist()
    )
    found = losses.spec("bce_distance").build(1, 1).chance_loss(genuine / 10)
    assert found == pytest.approx(least, abs=2e-3)


def test_a_scale_of_0_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        losses.spec("bce_distance", scale=0.0)
