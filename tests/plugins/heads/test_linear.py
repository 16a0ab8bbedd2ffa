import pytest
import torch
from pydantic import ValidationError

from facesim import heads


def test_linear_is_one_projection() -> None:
    head = heads.spec("linear", out_dim=3).build(5)
    weight, bias = head.parameters()
    features = torch.randn(4, 5)
    assert weight.shape == (3, 5)
    torch.testing.assert_close(head(features), features @ weight.T + bias)


def test_an_embedding_has_at_least_one_dimension() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        heads.spec("linear", out_dim=0)


def test_it_may_be_scaled_to_length_1_after_the_projection() -> None:
    head = heads.spec("linear", out_dim=3, normalize=True).build(5)
    features = torch.randn(4, 5)
    embeddings = head(features)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    weight, bias = head.parameters()
    projected = features @ weight.T + bias
    torch.testing.assert_close(embeddings, projected / projected.norm(dim=1, keepdim=True))
