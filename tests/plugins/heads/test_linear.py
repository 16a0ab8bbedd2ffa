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
