import math

import pytest
import torch
from pydantic import ValidationError
from pytorch_metric_learning.losses import CosFaceLoss
from torch import Tensor

from facesim import PairBatch, losses

Drawn = tuple[Tensor, PairBatch]
SETTINGS = pytest.mark.parametrize(("margin", "scale"), [(0.35, 64.0), (0.1, 16.0), (0.0, 1.0)])


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@SETTINGS
def test_loss_is_what_a_loop_over_images_and_identities_gives(
    drawn: Drawn, margin: float, scale: float
) -> None:
    embeddings, batch = drawn
    loss = losses.spec("cosface", margin=margin, scale=scale).build(8, 10)
    (weight,) = loss.parameters()
    costs = []
    for embedding, identity in zip(embeddings.tolist(), batch.identities.tolist(), strict=True):
        logits = [scale * cosine(embedding, row) for row in weight.tolist()]
        logits[identity] -= scale * margin
        highest = max(logits)
        denominator = sum(math.exp(logit - highest) for logit in logits)
        costs.append(highest + math.log(denominator) - logits[identity])
    assert loss(embeddings, batch).item() == pytest.approx(sum(costs) / len(costs), rel=1e-5)


@SETTINGS
def test_it_agrees_with_pytorch_metric_learning(drawn: Drawn, margin: float, scale: float) -> None:
    # Its weight is transposed; its margin is a cosine as well, and its mean is over the images too.
    embeddings, batch = drawn
    ours = losses.spec("cosface", margin=margin, scale=scale).build(8, 10)
    (weight,) = ours.parameters()
    theirs = CosFaceLoss(10, 8, margin=margin, scale=scale)
    theirs.W.data = weight.data.T.clone()
    mine, other = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = ours(mine, batch), theirs(other, batch.identities)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weight.grad, theirs.W.grad.T, rtol=1e-3, atol=1e-5)


def test_a_margin_costs_what_it_takes_off_the_own_cosine(drawn: Drawn) -> None:
    embeddings, batch = drawn
    values = []
    for margin in (0.0, 0.1, 0.35):
        torch.manual_seed(0)
        values.append(losses.spec("cosface", margin=margin).build(8, 10)(embeddings, batch).item())
    assert values == sorted(values)


def test_score_is_the_cosine_and_knows_strangers() -> None:
    loss = losses.spec("cosface").build(2, 3)
    a, b = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[5.0, 0.0], [-1.0, 0.0]])
    assert loss.score(a, b).tolist() == [1.0, 0.0]
    assert loss.of_training_identities


def test_a_margin_below_0_is_refused() -> None:
    with pytest.raises(ValidationError, match="margin"):
        losses.spec("cosface", margin=-0.1)
