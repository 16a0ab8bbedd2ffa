import math
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from pytorch_metric_learning.losses import ArcFaceLoss
from torch import Tensor, nn

from facesim import Loss, PairBatch, losses
from facesim_plugins.losses.arcface import ArcFace

Drawn = tuple[Tensor, PairBatch]


def weight_of(loss: Loss) -> nn.Parameter:
    (weight,) = loss.parameters()
    return weight


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def naive_loss(
    embeddings: Tensor, identities: list[int], weight: Tensor, margin: float, scale: float
) -> float:
    costs = []
    for embedding, identity in zip(embeddings.tolist(), identities, strict=True):
        logits = [scale * cosine(embedding, row) for row in weight.tolist()]
        angle = math.acos(logits[identity] / scale)
        logits[identity] = scale * (
            math.cos(angle + margin)
            if angle < math.pi - margin
            else math.cos(angle) - margin * math.sin(margin)
        )
        highest = max(logits)
        denominator = sum(math.exp(logit - highest) for logit in logits)
        costs.append(highest + math.log(denominator) - logits[identity])
    return sum(costs) / len(costs)


@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (0.1, 16.0), (1.5, 8.0), (0.0, 64.0)])
def test_loss_is_what_a_loop_over_images_and_identities_gives(
    drawn: Drawn, margin: float, scale: float
) -> None:
    embeddings, batch = drawn
    loss = losses.spec("arcface", margin=margin, scale=scale).build(8, 10)
    expected = naive_loss(embeddings, batch.identities.tolist(), weight_of(loss), margin, scale)
    assert loss(embeddings, batch).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (0.1, 16.0), (1.5, 8.0)])
def test_it_agrees_with_pytorch_metric_learning(drawn: Drawn, margin: float, scale: float) -> None:
    # Its margin is in degrees, its weight is transposed, and its mean is over the images too.
    embeddings, batch = drawn
    ours = losses.spec("arcface", margin=margin, scale=scale).build(8, 10)
    theirs = ArcFaceLoss(10, 8, margin=math.degrees(margin), scale=scale)
    theirs.W.data = weight_of(ours).data.T.clone()
    mine, other = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = ours(mine, batch), theirs(other, batch.identities)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weight_of(ours).grad, theirs.W.grad.T, rtol=1e-3, atol=1e-5)


def test_the_own_logit_falls_with_the_angle_all_the_way() -> None:
    angles = torch.linspace(0.01, math.pi - 0.01, 200)
    own = ArcFace(2, 2, margin=0.5).with_margin(angles.cos())
    assert (own.diff() < 0).all()
    # Past pi - margin the cosine itself stands there, lower by a constant.
    beyond = angles > math.pi - 0.5
    torch.testing.assert_close(own[beyond], angles[beyond].cos() - 0.5 * math.sin(0.5))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_is_finite_at_the_weight_and_opposite_to_it(
    draw: Callable[..., Drawn], sign: float, dtype: torch.dtype
) -> None:
    _, batch = draw([0, 1, 0], 0)
    loss = losses.spec("arcface").build(8, 2)
    embeddings = (sign * weight_of(loss).detach()[batch.identities]).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        value = loss(embeddings, batch)
    value.backward()
    for gradient in (embeddings.grad, weight_of(loss).grad):
        assert gradient is not None
        assert gradient.isfinite().all()


def test_under_autocast_the_cosines_are_those_of_float32(drawn: Drawn) -> None:
    embeddings, batch = drawn
    loss = losses.spec("arcface").build(8, 10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(embeddings, batch)
    assert inside.item() == loss(embeddings, batch).item()


def test_score_is_the_cosine_and_knows_strangers() -> None:
    loss = losses.spec("arcface").build(2, 3)
    a, b = torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[5.0, 0.0], [-1.0, 0.0]])
    assert loss.score(a, b).tolist() == [1.0, 0.0]
    assert loss.of_training_identities


def test_there_is_a_weight_for_each_training_identity() -> None:
    assert weight_of(losses.spec("arcface").build(8, 10)).shape == (10, 8)


@pytest.mark.parametrize("margin", [-0.1, math.pi / 2])
def test_a_margin_that_is_no_acute_angle_is_refused(margin: float) -> None:
    with pytest.raises(ValidationError, match="margin"):
        losses.spec("arcface", margin=margin)
