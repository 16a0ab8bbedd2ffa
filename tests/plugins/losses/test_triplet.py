import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchEasyHardMiner, BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor

from facesim import PairBatch, losses

Drawn = tuple[Tensor, PairBatch]
IDENTITIES = st.lists(st.integers(0, 3), min_size=1, max_size=9)
SEEDS = st.integers(0, 1000)


def triplets_of_batch_hard(distance: Any, identities: list[int]) -> Iterator[tuple[float, float]]:
    for anchor, identity in enumerate(identities):
        others = [image for image in range(len(identities)) if image != anchor]
        genuine = [distance[anchor][image] for image in others if identities[image] == identity]
        impostor = [distance[anchor][image] for image in others if identities[image] != identity]
        if genuine and impostor:
            yield max(genuine), min(impostor)


def triplets_of_semi_hard(distance: Any, identities: list[int]) -> Iterator[tuple[float, float]]:
    for anchor, identity in enumerate(identities):
        for partner, other in enumerate(identities):
            of_impostors = [
                distance[anchor][image]
                for image in range(len(identities))
                if identities[image] != identity
            ]
            if partner != anchor and other == identity and of_impostors:
                genuine = distance[anchor][partner]
                farther = [impostor for impostor in of_impostors if impostor > genuine]
                yield genuine, min(farther) if farther else max(of_impostors)


MINING = {"batch_hard": triplets_of_batch_hard, "semi_hard": triplets_of_semi_hard}


def naive_loss(embeddings: Tensor, batch: PairBatch, mining: str, margin: float | None) -> float:
    points = embeddings.tolist()
    distance = [[math.dist(a, b) for b in points] for a in points]
    costs = [
        math.log1p(math.exp(genuine - impostor))
        if margin is None
        else max(0.0, genuine - impostor + margin)
        for genuine, impostor in MINING[mining](distance, batch.identities.tolist())
    ]
    return sum(costs) / len(costs) if costs else 0.0


@pytest.mark.parametrize("mining", sorted(MINING))
@pytest.mark.parametrize("margin", [0.2, 3.0, None])
@given(identities=IDENTITIES, seed=SEEDS)
def test_loss_is_what_a_loop_over_the_triplets_gives(
    draw: Callable[..., Drawn], mining: str, margin: float | None, identities: list[int], seed: int
) -> None:
    embeddings, batch = draw(identities, seed)
    loss = losses.spec("triplet", mining=mining, margin=margin).build(8, 4)
    expected = naive_loss(embeddings, batch, mining, margin)
    assert loss(embeddings, batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


# By default pytorch-metric-learning normalises embeddings, and takes the mean over those triplets
# alone that cost something. Told otherwise, it defines the same.
UNNORMALISED = {"distance": LpDistance(normalize_embeddings=False)}


@pytest.mark.parametrize("margin", [0.2, 3.0, None])
def test_batch_hard_agrees_with_pytorch_metric_learning(drawn: Drawn, margin: float | None) -> None:
    embeddings, batch = drawn
    theirs = TripletMarginLoss(
        margin=margin or 0.0, smooth_loss=margin is None, reducer=MeanReducer(), **UNNORMALISED
    )
    mined = BatchHardMiner(**UNNORMALISED)(embeddings, batch.identities)
    ours = losses.spec("triplet", margin=margin).build(8, 10)
    torch.testing.assert_close(
        ours(embeddings, batch),
        theirs(embeddings, batch.identities, mined),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("seed", range(8))
def test_semi_hard_agrees_with_pytorch_metric_learning_on_two_images_each(
    draw: Callable[..., Drawn], seed: int
) -> None:
    # Its semi-hard miner takes the hardest partner only, here the only one, and drops an anchor
    # whose impostors are all nearer; so these embeddings leave none such.
    embeddings, batch = draw([identity for identity in range(12) for _ in range(2)], seed)
    embeddings = embeddings.view(12, 2, 8).mean(1, keepdim=True) + 0.5 * embeddings.view(12, 2, 8)
    embeddings = embeddings.view(24, 8)
    miner = BatchEasyHardMiner("hard", "semihard", **UNNORMALISED)
    anchors, partners, _, impostors = miner(embeddings, batch.identities)
    assert len(anchors) == 24
    theirs = TripletMarginLoss(margin=1.0, reducer=MeanReducer(), **UNNORMALISED)
    expected = theirs(embeddings, batch.identities, (anchors, partners, impostors))
    ours = losses.spec("triplet", mining="semi_hard", margin=1.0).build(8, 12)
    torch.testing.assert_close(ours(embeddings, batch), expected, rtol=1e-5, atol=1e-5)


def test_a_semi_hard_impostor_is_the_nearest_that_is_farther_than_the_partner(
    draw: Callable[..., Drawn],
) -> None:
    _, batch = draw([0, 0, 1, 2, 3], 0)
    embeddings = torch.tensor([[0.0], [2.0], [1.5], [2.25], [7.0]])
    loss = losses.spec("triplet", mining="semi_hard", margin=1.0).build(1, 4)
    # Of image 0 the impostor at 2.25; of image 1 the one at 7, 5 away, farther than its partner.
    assert loss(embeddings, batch).item() == pytest.approx((2 - 2.25 + 1) / 2)


def test_an_impostor_exactly_as_far_away_as_the_partner_is_not_farther(
    draw: Callable[..., Drawn],
) -> None:
    _, batch = draw([0, 0, 1, 2], 0)
    embeddings = torch.tensor([[0.0], [2.0], [-2.0], [5.0]])
    loss = losses.spec("triplet", mining="semi_hard", margin=1.5).build(1, 3)
    # Of image 0 the impostor 5 away, of image 1 the one 3 away.
    assert loss(embeddings, batch).item() == pytest.approx((0 + (2 - 3 + 1.5)) / 2)


def test_the_gradient_of_a_triplet_moves_its_three_images_only(draw: Callable[..., Drawn]) -> None:
    _, batch = draw([0, 0, 1, 2], 0)
    embeddings = torch.tensor([[0.0], [1.0], [-1.0], [9.0]], requires_grad=True)
    losses.spec("triplet", margin=0.5).build(1, 3)(embeddings, batch).backward()
    assert embeddings.grad is not None
    # Image 0: partner at 1, impostor at 1. Image 1: the cost of partner 1 and impostor 2 is 0.
    assert embeddings.grad.flatten().tolist() == [-1.0, 0.5, 0.5, 0.0]


@pytest.mark.parametrize("mining", sorted(MINING))
@pytest.mark.parametrize("margin", [0.3, None])
def test_chance_loss_is_what_equal_embeddings_cost(
    draw: Callable[..., Drawn], mining: str, margin: float | None
) -> None:
    loss = losses.spec("triplet", mining=mining, margin=margin).build(8, 4)
    _, batch = draw([0, 0, 1, 2, 2, 2], 0)
    share = batch.same.float().mean().item()
    assert loss(torch.ones(6, 8), batch).item() == pytest.approx(loss.chance_loss(share))
    assert loss.chance_loss(0.0) is None
    assert loss.chance_loss(1.0) is None


def test_score_is_minus_the_euclidean_distance() -> None:
    loss = losses.spec("triplet").build(2, 3)
    a, b = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    assert loss.score(a, b).tolist() == [-5.0, 0.0]


@pytest.mark.parametrize("wrong", [{"margin": 0.0}, {"mining": "hardest"}])
def test_a_parameter_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        losses.spec("triplet", **wrong)
