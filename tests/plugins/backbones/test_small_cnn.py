"""The small network: its width, what it freezes, how fine it sees."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from facesim import Normalization, backbones
from facesim_plugins.backbones.small_cnn import small_cnn


def images(count: int = 4, size: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("width", [4, 16])
def test_the_last_stage_is_eight_times_the_width(width: int) -> None:
    backbone = small_cnn(width=width)
    assert backbone.features == 8 * width
    assert backbone(images()).shape == (4, 8 * width)


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (218, 178)])
def test_images_of_any_size_give_the_same_number_of_features(size: tuple[int, int]) -> None:
    pixels = torch.zeros(2, 3, *size, dtype=torch.uint8)
    assert small_cnn(width=4).eval()(pixels).shape == (2, 32)


def test_nothing_is_frozen_by_default() -> None:
    backbone = small_cnn()
    assert isinstance(backbone.trunk, nn.Identity)
    assert all(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("frozen", range(5))
def test_frozen_stages_neither_learn_nor_move_their_statistics(frozen: int) -> None:
    backbone = small_cnn(width=4, frozen_stages=frozen).train()
    before = {name: value.clone() for name, value in backbone.trunk.state_dict().items()}
    features = backbone(images())
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    if trained:
        features.square().sum().backward()
        torch.optim.SGD(trained, lr=0.1).step()
    assert len(trained) == 3 * (4 - frozen)
    assert all(torch.equal(before[name], now) for name, now in backbone.trunk.state_dict().items())


def test_freezing_changes_what_is_trained_and_not_what_is_computed() -> None:
    outputs = []
    for frozen in (0, 2, 4):
        torch.manual_seed(0)
        outputs.append(small_cnn(width=4, frozen_stages=frozen).eval()(images()))
    torch.testing.assert_close(outputs[0], outputs[1])
    torch.testing.assert_close(outputs[0], outputs[2])


@pytest.mark.parametrize("wrong", [{"width": 0}, {"frozen_stages": 5}, {"frozen_stages": -1}])
def test_wrong_parameters_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        backbones.spec("small_cnn", **wrong)


@pytest.mark.parametrize("frozen", range(1, 5))
def test_each_stage_halves_the_image_and_doubles_the_channels(frozen: int) -> None:
    backbone = small_cnn(width=4, frozen_stages=frozen, pooling="none")
    maps = backbone.run_trunk(images(2, 64))
    assert maps.shape == (2, 4 * 2 ** (frozen - 1), 64 // 2**frozen, 64 // 2**frozen)


def test_pixels_are_centred_and_scaled_to_two_deviations() -> None:
    assert small_cnn().normalization == Normalization((0.5,) * 3, (0.25,) * 3)
