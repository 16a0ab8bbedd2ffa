"""Light and colour."""

import pytest
import torch
from torchvision.transforms import v2

from facesim_plugins.transforms.color_jitter import color_jitter


def test_zeros_change_nothing() -> None:
    image = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    identity = color_jitter(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    assert torch.equal(identity(image), image)


def test_brightness_multiplies_all_pixels_by_one_factor_of_the_stated_range() -> None:
    torch.manual_seed(0)
    image = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    transform = color_jitter(brightness=0.3, contrast=0.0, saturation=0.0, hue=0.0)
    values = torch.stack([transform(image) for _ in range(300)]).flatten(1)
    assert torch.equal(values.amin(1), values.amax(1))
    assert 69 <= values.min() < 73
    assert 127 < values.max() <= 130


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_parameter_varies_what_it_is_called(name: str) -> None:
    nothing = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    image = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    ours = color_jitter(**{**nothing, name: 0.4})
    theirs = v2.ColorJitter(**{name: 0.4})
    torch.manual_seed(3)
    varied = ours(image)
    torch.manual_seed(3)
    assert torch.equal(varied, theirs(image))
    assert not torch.equal(varied, image)
