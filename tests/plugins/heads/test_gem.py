import pytest
import torch
from torch import Tensor

from facesim import heads
from facesim_plugins.heads.gem import GeneralisedMean


def naive(maps: Tensor, p: float) -> list[list[float]]:
    """The mean of the p-th powers, and its p-th root, in loops."""
    rows = []
    for image in maps.double().tolist():
        row = []
        for channel in image:
            values = [max(value, 1e-6) for line in channel for value in line]
            row.append((sum(value**p for value in values) / len(values)) ** (1 / p))
        rows.append(row)
    return rows


@pytest.mark.parametrize("p", [1.0, 3.0, 6.5])
def test_the_pooled_features_are_the_generalised_means(p: float) -> None:
    maps = torch.rand(2, 5, 4, 3) * 3 - 0.5
    expected = torch.tensor(naive(maps, p))
    torch.testing.assert_close(GeneralisedMean(5, p=p)(maps), expected, rtol=1e-4, atol=1e-6)


def test_it_is_the_average_for_1_and_nears_the_maximum() -> None:
    maps = torch.rand(2, 5, 4, 3) + 0.1
    torch.testing.assert_close(GeneralisedMean(5, p=1)(maps), maps.mean((2, 3)))
    near = GeneralisedMean(5, p=100)(maps)
    torch.testing.assert_close(near, maps.amax((2, 3)), rtol=0.05, atol=0)


def test_the_exponent_is_learned_and_stays_positive() -> None:
    head = GeneralisedMean(3, p=0.5)
    optimizer = torch.optim.SGD(head.parameters(), lr=100.0)
    head(torch.rand(4, 3, 2, 2)).sum().backward()
    optimizer.step()
    assert head.log_p.item() < 0  # the sum falls with the exponent
    assert head(torch.rand(4, 3, 2, 2)).isfinite().all()


@pytest.mark.parametrize("value", [0.0, -5.0, 1e-30, 1e5])
def test_no_activation_makes_value_or_gradient_infinite(value: float) -> None:
    maps = torch.full((2, 3, 4, 4), value, requires_grad=True)
    pooled = GeneralisedMean(3, p=10.0)(maps)
    (gradient,) = torch.autograd.grad(pooled.sum(), maps)
    assert pooled.isfinite().all()
    assert gradient.isfinite().all()


def test_powers_do_not_overflow_under_autocast() -> None:
    maps = torch.rand(2, 3, 4, 4) * 300
    with torch.autocast("cpu", torch.bfloat16):
        pooled = GeneralisedMean(3, p=20.0)(maps.bfloat16())
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(
        pooled, GeneralisedMean(3, p=20.0)(maps.bfloat16().float()), rtol=1e-5, atol=1e-5
    )


def test_it_projects_if_a_width_is_given_and_not_otherwise() -> None:
    maps = torch.rand(2, 6, 3, 3)
    assert heads.spec("gem").build(6)(maps).shape == (2, 6)
    embeddings = heads.spec("gem", out_dim=4, normalize=True).build(6)(maps)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))
    assert embeddings.shape == (2, 4)
