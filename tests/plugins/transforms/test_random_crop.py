"""The random shift."""

import torch
from torch import Tensor

from facesim_plugins.transforms.random_crop import RandomCrop


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """Every pixel from where it came, the edge's where it came from outside."""
    _, height, width = image.shape
    result = torch.empty_like(image)
    for row in range(height):
        for column in range(width):
            from_row = min(max(row + down, 0), height - 1)
            from_column = min(max(column + right, 0), width - 1)
            result[:, row, column] = image[:, from_row, from_column]
    return result


def test_images_are_shifted_by_at_most_the_padding_in_every_direction() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, 6, 5), dtype=torch.uint8)
    possible = {
        shifted(image, down, right).numpy().tobytes(): (down, right)
        for down in range(-1, 2)
        for right in range(-1, 2)
    }
    transform = RandomCrop(padding=1)
    seen = {possible[transform(image).numpy().tobytes()] for _ in range(200)}
    assert seen == set(possible.values())


def test_a_padding_larger_than_the_image_is_no_error() -> None:
    image = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8)
    assert RandomCrop(padding=9)(image).shape == image.shape
