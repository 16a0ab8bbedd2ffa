"""What every registered head promises."""

import pytest
import torch
from torch import nn

from facesim import heads

EVERY_HEAD = pytest.mark.parametrize("name", heads.names())


def build(name: str, features: int = 24) -> nn.Module:
    torch.manual_seed(0)
    return heads.spec(name).build(features)


@EVERY_HEAD
@pytest.mark.parametrize("count", [1, 2, 7])
def test_embeddings_are_one_row_an_image(name: str, count: int) -> None:
    embeddings = build(name).eval()(torch.randn(count, 24))
    assert embeddings.dtype == torch.float32
    assert embeddings.shape[0] == count
    assert embeddings.ndim == 2


@EVERY_HEAD
def test_an_image_is_embedded_alike_in_any_batch(name: str) -> None:
    head, features = build(name).eval(), torch.randn(5, 24)
    alone = torch.cat([head(row[None]) for row in features])
    torch.testing.assert_close(head(features), alone)


@EVERY_HEAD
def test_every_parameter_gets_a_gradient(name: str) -> None:
    head = build(name)
    weights = torch.randn(head(torch.randn(2, 24)).shape)
    (head(torch.randn(2, 24)) * weights).sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


@EVERY_HEAD
def test_weights_are_drawn_from_the_global_generator(name: str) -> None:
    first, second = build(name).state_dict(), build(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
