import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pytorch_metric_learning.losses import CircleLoss
from torch import Tensor
from torch.nn import functional

from facesim import PairBatch, losses

Drawn = tuple[Tensor, PairBatch]
SETTINGS = pytest.mark.parametrize(("margin", "scale"), [(0.25, 64.0), (0.4, 80.0), (0.1, 4.0)])


def naive_loss(embeddings: Tensor, batch: PairBatch, margin: float, scale: float) -> float:
    directions = functional.normalize(embeddings.double())
    cosines, identities = (directions @ directions.T).tolist(), batch.identities.tolist()
    costs = []
    for image, identity in enumerate(identities):
        others = [other for other in range(len(identities)) if other != image]
        genuine = [cosines[image][k] for k in others if identities[k] == identity]
        impostor = [cosines[image][k] for k in others if identities[k] != identity]
        if genuine and impostor:
            # The paper's optima 1 + m and -m, and its margins 1 - m and m.
            partners = sum(
                math.exp(-scale * max(0, 1 + margin - g) * (g - (1 - margin))) for g in genuine
            )
            strangers = sum(math.exp(scale * max(0, i + margin) * (i - margin)) for i in impostor)
            costs.append(math.log(1 + partners * strangers))
    return sum(costs) / len(costs) if costs else 0.0


@SETTINGS
@given(identities=st.lists(st.integers(0, 3), min_size=1, max_size=9), seed=st.integers(0, 1000))
def test_loss_is_what_a_loop_over_the_images_gives(
    draw: Callable[..., Drawn], margin: float, scale: float, identities: list[int], seed: int
) -> None:
    embeddings, batch = draw(identities, seed)
    embeddings[:, 0] = embeddings[:, 0].abs() + 1  # the loop would overflow where a cosine is -1
    loss = losses.spec("circle", margin=margin, scale=scale).build(8, 4)
    expected = naive_loss(embeddings, batch, margin, scale)
    assert loss(embeddings, batch).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@SETTINGS
def test_it_agrees_with_pytorch_metric_learning(drawn: Drawn, margin: float, scale: float) -> None:
    # Its mean leaves out the images that cost nothing; of random embeddings all cost something,
    # but for those without partner.
    embeddings, batch = drawn
    ours = losses.spec("circle", margin=margin, scale=scale).build(8, 10)
    theirs = CircleLoss(m=margin, gamma=scale)
    mine, other = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = ours(mine, batch), theirs(other, batch.identities)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-3)


def test_the_weight_of_a_pair_has_no_gradient(draw: Callable[..., Drawn]) -> None:
    _, batch = draw([0, 0, 1], 0)
    angles = torch.tensor([0.0, 1.0, 1.8], requires_grad=True)
    loss = losses.spec("circle", margin=0.25, scale=1.0).build(2, 2)
    embeddings = torch.stack((angles.cos(), angles.sin()), 1)
    loss(embeddings, batch).backward()
    expected = torch.zeros(3)
    for anchor, partner in ((0, 1), (1, 0)):
        between, beyond = (angles.detach()[k] - angles.detach()[anchor] for k in (partner, 2))
        g, i = between.cos(), beyond.cos()
        weight_g, weight_i = (1.25 - g).clamp_min(0), (i + 0.25).clamp_min(0)
        share = torch.sigmoid(weight_g * (0.75 - g) + weight_i * (i - 0.25)) / 2
        by_g, by_i = share * weight_g * between.sin(), -share * weight_i * beyond.sin()
        expected[partner] += by_g
        expected[2] += by_i
        expected[anchor] -= by_g + by_i
    assert angles.grad is not None
    torch.testing.assert_close(angles.grad, expected)


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_a_margin_without_room_is_refused(margin: float) -> None:
    with pytest.raises(ValidationError, match="margin"):
        losses.spec("circle", margin=margin)
