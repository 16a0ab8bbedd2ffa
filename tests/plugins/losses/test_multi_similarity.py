import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner
from torch import Tensor
from torch.nn import functional

from facesim import PairBatch, losses

Drawn = tuple[Tensor, PairBatch]
SETTINGS: list[dict[str, float]] = [
    {"alpha": 2.0, "beta": 50.0, "base": 0.5, "epsilon": 0.1},
    {"alpha": 2.0, "beta": 50.0, "base": 1.0, "epsilon": 0.0},
    {"alpha": 5.0, "beta": 10.0, "base": 0.0, "epsilon": 0.5},
]


def naive_loss(embeddings: Tensor, batch: PairBatch, **given: float) -> float:
    alpha, beta, base, epsilon = (given[key] for key in ("alpha", "beta", "base", "epsilon"))
    directions = functional.normalize(embeddings.double())
    cosines, identities = (directions @ directions.T).tolist(), batch.identities.tolist()
    total = 0.0
    for image, identity in enumerate(identities):
        others = [other for other in range(len(identities)) if other != image]
        genuine = [cosines[image][k] for k in others if identities[k] == identity]
        impostor = [cosines[image][k] for k in others if identities[k] != identity]
        if not genuine or not impostor:
            continue  # nothing to compare a pair with, so none is informative
        kept_genuine = [g for g in genuine if g < max(impostor) + epsilon]
        kept_impostor = [i for i in impostor if i > min(genuine) - epsilon]
        total += math.log(1 + sum(math.exp(-alpha * (g - base)) for g in kept_genuine)) / alpha
        total += math.log(1 + sum(math.exp(beta * (i - base)) for i in kept_impostor)) / beta
    return total / len(identities)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@given(identities=st.lists(st.integers(0, 3), min_size=1, max_size=9), seed=st.integers(0, 1000))
def test_loss_is_what_a_loop_over_the_images_gives(
    draw: Callable[..., Drawn], settings: dict[str, float], identities: list[int], seed: int
) -> None:
    embeddings, batch = draw(identities, seed)
    loss = losses.spec("multi_similarity", **settings).build(8, 4)
    expected = naive_loss(embeddings, batch, **settings)
    assert loss(embeddings, batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_agrees_with_pytorch_metric_learning_and_its_miner(
    drawn: Drawn, settings: dict[str, Any]
) -> None:
    embeddings, batch = drawn
    settings = dict(settings)
    ours = losses.spec("multi_similarity", **settings).build(8, 10)
    mined = MultiSimilarityMiner(settings.pop("epsilon"))(embeddings, batch.identities)
    theirs = MultiSimilarityLoss(**settings)
    mine, other = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = ours(mine, batch), theirs(other, batch.identities, mined)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_pairs_that_are_told_apart_well_cost_nothing(draw: Callable[..., Drawn]) -> None:
    _, batch = draw([0, 0, 1, 1], 0)
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert losses.spec("multi_similarity").build(2, 2)(embeddings, batch).item() == 0


def test_the_length_of_an_embedding_does_not_matter(drawn: Drawn) -> None:
    embeddings, batch = drawn
    loss = losses.spec("multi_similarity").build(8, 10)
    lengths = torch.rand(len(embeddings), 1) + 0.5
    torch.testing.assert_close(loss(embeddings * lengths, batch), loss(embeddings, batch))
