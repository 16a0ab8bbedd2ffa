import pytest
import torch

from facesim import heads
from facesim_plugins.heads._unit_length import UnitLength


@pytest.mark.parametrize("name", heads.names())
def test_normalize_keeps_the_direction_and_makes_the_length_1(name: str) -> None:
    """That each head has the parameter, parameters.txt says."""
    features = torch.randn(6, 24) if name != "gem" else 1 + torch.rand(6, 24, 3, 2)
    torch.manual_seed(0)
    plain = heads.spec(name, normalize=False).build(24)(features)
    assert ((plain.norm(dim=1) - 1).abs() > 1e-3).any()
    torch.manual_seed(0)
    scaled = heads.spec(name, normalize=True).build(24)(features)
    torch.testing.assert_close(scaled.norm(dim=1), torch.ones(6))
    torch.testing.assert_close(scaled * plain.norm(dim=1, keepdim=True), plain)


def test_an_embedding_of_zeros_stays_and_has_a_finite_gradient() -> None:
    embeddings = torch.zeros(2, 3, requires_grad=True)
    scaled = UnitLength()(embeddings)
    (gradient,) = torch.autograd.grad(scaled.sum(), embeddings)
    assert not scaled.any()
    assert gradient.isfinite().all()
