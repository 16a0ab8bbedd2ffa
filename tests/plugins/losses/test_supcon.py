import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor
from torch.nn import functional

from facesim import PairBatch, losses

Drawn = tuple[Tensor, PairBatch]
TEMPERATURES = pytest.mark.parametrize("temperature", [0.1, 0.05, 1.0])


def naive_loss(embeddings: Tensor, batch: PairBatch, temperature: float) -> float:
    directions = functional.normalize(embeddings.double())
    logits = (directions @ directions.T / temperature).tolist()
    identities = batch.identities.tolist()
    costs = []
    for image, identity in enumerate(identities):
        others = [other for other in range(len(identities)) if other != image]
        partners = [other for other in others if identities[other] == identity]
        if partners:
            denominator = math.log(sum(math.exp(logits[image][other]) for other in others))
            picked = [logits[image][partner] for partner in partners]
            costs.append(sum(denominator - logit for logit in picked) / len(partners))
    return sum(costs) / len(costs) if costs else 0.0


@TEMPERATURES
@given(identities=st.lists(st.integers(0, 3), min_size=1, max_size=9), seed=st.integers(0, 1000))
def test_loss_is_what_a_loop_over_the_images_gives(
    draw: Callable[..., Drawn], temperature: float, identities: list[int], seed: int
) -> None:
    embeddings, batch = draw(identities, seed)
    loss = losses.spec("supcon", temperature=temperature).build(8, 4)
    expected = naive_loss(embeddings, batch, temperature)
    assert loss(embeddings, batch).item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


@TEMPERATURES
def test_it_agrees_with_pytorch_metric_learning(drawn: Drawn, temperature: float) -> None:
    # Its mean leaves out the images that cost nothing; here those are the ones without a partner.
    embeddings, batch = drawn
    ours = losses.spec("supcon", temperature=temperature).build(8, 10)
    theirs = SupConLoss(temperature)
    mine, other = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = ours(mine, batch), theirs(other, batch.identities)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-5)


def test_equal_embeddings_cost_the_logarithm_of_the_choices(draw: Callable[..., Drawn]) -> None:
    _, batch = draw([0, 0, 1, 1, 2], 0)
    loss = losses.spec("supcon").build(8, 3)
    assert loss(torch.ones(5, 8), batch).item() == pytest.approx(math.log(4))


def test_an_image_without_partner_is_a_choice_of_the_others_only(
    draw: Callable[..., Drawn],
) -> None:
    _, batch = draw([0, 0, 1], 0)
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    loss = losses.spec("supcon", temperature=1.0).build(2, 2)
    assert loss(embeddings, batch).item() == pytest.approx(math.log(1 + math.exp(-1)))
