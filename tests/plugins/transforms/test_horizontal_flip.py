"""The mirror."""

import torch

from facesim_plugins.transforms.horizontal_flip import HorizontalFlip


def test_left_and_right_are_exchanged_and_nothing_else() -> None:
    image = torch.arange(24, dtype=torch.uint8).view(3, 2, 4)
    mirrored = HorizontalFlip(probability=1.0)(image)
    for channel in range(3):
        for row in range(2):
            for column in range(4):
                assert mirrored[channel, row, column] == image[channel, row, 3 - column]


def test_the_probability_is_the_share_that_is_mirrored() -> None:
    torch.manual_seed(0)
    image, transform = torch.arange(12, dtype=torch.uint8).view(3, 2, 2), HorizontalFlip()
    mirrored = sum(not torch.equal(transform(image), image) for _ in range(400))
    assert 160 < mirrored < 240
    assert torch.equal(HorizontalFlip(probability=0.0)(image), image)
