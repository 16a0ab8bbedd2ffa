import pytest
import torch
from torch import Tensor, nn

from facesim import heads


def neck_of(head: nn.Module) -> nn.BatchNorm1d:
    (neck,) = (module for module in head.modules() if isinstance(module, nn.BatchNorm1d))
    return neck


def running(head: nn.Module) -> list[Tensor]:
    neck = neck_of(head)
    assert neck.running_mean is not None
    assert neck.running_var is not None
    return [neck.running_mean.clone(), neck.running_var.clone()]


def test_in_training_every_dimension_is_centred_and_as_wide_as_its_scale() -> None:
    head = heads.spec("bnneck", out_dim=3).build(5)
    neck_of(head).weight.data = torch.tensor([1.0, 2.0, 0.5])
    embeddings = head(5 + 3 * torch.randn(200, 5))
    torch.testing.assert_close(embeddings.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    spread = embeddings.std(0, correction=0)
    torch.testing.assert_close(spread, torch.tensor([1.0, 2.0, 0.5]), atol=1e-3, rtol=0)


def test_in_use_it_is_the_projection_scaled_by_the_running_statistics() -> None:
    head = heads.spec("bnneck", out_dim=3).build(5)
    for _ in range(3):
        head(1 + torch.randn(8, 5))
    (projection,) = (module for module in head.modules() if isinstance(module, nn.Linear))
    mean, variance = running(head)
    features = torch.randn(4, 5)
    expected = (features @ projection.weight.T - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(head.eval()(features), expected)


def test_training_moves_the_scale_and_leaves_the_shift_at_0() -> None:
    head = heads.spec("bnneck", out_dim=3).build(5)
    optimizer = torch.optim.Adam([p for p in head.parameters() if p.requires_grad], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        (head(torch.randn(8, 5)) - 1).square().sum().backward()
        optimizer.step()
    assert not neck_of(head).bias.any()
    assert (neck_of(head).weight != 1).all()


def test_one_image_in_training_is_normalised_as_in_use_and_moves_no_statistics() -> None:
    head = heads.spec("bnneck").build(5)
    head(torch.randn(8, 5))
    before, image = running(head), torch.randn(1, 5)
    embedding = head.train()(image)
    assert all(map(torch.equal, before, running(head)))
    torch.testing.assert_close(embedding, head.eval()(image))
    embedding.sum().backward()
    gradients = [p.grad for p in head.parameters() if p.requires_grad]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_two_images_in_training_are_normalised_by_their_own_statistics() -> None:
    torch.manual_seed(0)  # two images may be too much alike for the smallest variance
    embeddings = heads.spec("bnneck", out_dim=3).build(5)(torch.randn(2, 5))
    torch.testing.assert_close(embeddings.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(embeddings.abs(), torch.ones(2, 3), atol=1e-2, rtol=0)


@pytest.mark.parametrize("normalize", [False, True])
def test_under_autocast_the_embedding_is_float32(normalize: bool) -> None:
    head = heads.spec("bnneck", normalize=normalize).build(5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head(torch.randn(8, 5)).dtype == torch.float32
