import torch

from facesim import heads


def test_mlp_is_three_layers_with_relu_between() -> None:
    head = heads.spec("mlp", fc_dim=7, out_dim=3).build(5)
    first, first_bias, second, second_bias, third, third_bias = head.parameters()
    assert [tuple(weight.shape) for weight in (first, second, third)] == [(7, 5), (7, 7), (3, 7)]
    features = torch.randn(4, 5)
    hidden = (features @ first.T + first_bias).clamp_min(0)
    hidden = (hidden @ second.T + second_bias).clamp_min(0)
    torch.testing.assert_close(head(features), hidden @ third.T + third_bias)


def test_the_defaults_are_the_published_example() -> None:
    assert heads.spec("mlp").arguments == {"fc_dim": 128, "out_dim": 16, "normalize": False}
