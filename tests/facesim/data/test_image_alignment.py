"""Alignment of two images, on textures that are moved by known amounts."""

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim.data.image_alignment import WORTH_A_CLOSER_LOOK, align, same_image


def texture(seed: int, side: int = 96) -> Tensor:
    """Grey levels that vary over a few pixels."""
    rough = np.random.default_rng(seed).normal(size=(1, 1, side // 4, side // 4))
    smooth = torch.nn.functional.interpolate(torch.from_numpy(rough), (side, side), mode="bicubic")
    return (128 + 40 * smooth[0, 0]).clamp(0, 255).float()


def shown(image: Tensor, right: int, down: int, side: int) -> Tensor:
    """A window of an image, so many pixels from its middle."""
    middle = (image.shape[0] - side) // 2
    return image[middle + down : middle + down + side, middle + right : middle + right + side]


@pytest.mark.parametrize(("right", "down"), [(0, 0), (2, 0), (0, 2), (-1, 2), (3, -3)])
def test_it_finds_by_how_much_an_image_is_shifted(right: int, down: int) -> None:
    """The transform goes from -1 to 1, over 32 pixels: two per 32nd of the image."""
    image = texture(1)
    first, second = shown(image, right, down, 32)[None], shown(image, 0, 0, 32)[None]
    found = align(first, second)
    expected = torch.tensor([[1.0, 0.0, right / 16], [0.0, 1.0, down / 16]])
    assert torch.allclose(found.transform[0], expected, atol=0.02)
    assert found.agreement[0] > 0.97


def test_each_pair_is_aligned_by_itself() -> None:
    images = [texture(seed) for seed in range(3)]
    first = torch.stack([shown(image, it, 0, 32) for it, image in enumerate(images)])
    second = torch.stack([shown(image, 0, 0, 32) for image in images])
    together = align(first, second).transform
    assert torch.allclose(together[:, 0, 2], torch.arange(3) / 16, atol=0.02)
    for row in range(3):
        alone = align(first[row : row + 1], second[row : row + 1]).transform
        assert torch.allclose(alone[0], together[row], atol=1e-4)


def test_other_images_agree_too_little_to_be_looked_at() -> None:
    first = torch.stack([shown(texture(seed), 0, 0, 32) for seed in range(20)])
    assert (align(first, first.roll(1, dims=0)).agreement < WORTH_A_CLOSER_LOOK).all()
    assert (align(first, first).agreement > 0.99).all()


@pytest.mark.parametrize("level", [0.0, 128.0])
def test_without_texture_nothing_agrees(level: float) -> None:
    flat = torch.full((1, 32, 32), level)
    found = align(flat, flat)
    assert found.agreement.tolist() == [0.0]
    assert torch.isfinite(found.transform).all()
    large = torch.full((1, 64, 64), level)
    assert not same_image(large, large, found.transform)


def test_a_quarter_of_the_blocks_must_have_texture() -> None:
    """Seven rows of seven blocks, each of eight pixels and four from the next."""
    image = shown(texture(2), 0, 0, 32)
    for rows, is_enough in ((16, True), (4, False)):
        part = torch.full((32, 32), 128.0)
        part[:rows] = image[:rows]
        assert (align(part[None], part[None]).agreement[0] > 0.9) == is_enough


def test_copies_are_the_same_image_and_others_are_not() -> None:
    """Brighter, darker, noisy and half as contrasted copies; a third of one may be covered."""
    image = shown(texture(3), 0, 0, 64)
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=image.shape)).float()
    covered = image.clone()
    covered[:20] = 0
    dark = 255 * (image / 255) ** 2
    copies = torch.stack([image, image / 2 + 60, dark, (image + 4 * noise).clamp(0, 255), covered])
    still = torch.eye(3)[:2].expand(len(copies), 2, 3)
    assert same_image(image.expand_as(copies), copies, still).tolist() == [True] * 5
    others = torch.stack([shown(texture(seed), 0, 0, 64) for seed in range(4, 9)])
    assert same_image(image.expand_as(others), others, still).tolist() == [False] * 5


def test_the_transform_of_the_small_images_is_that_of_the_large_ones() -> None:
    image = texture(5, 192)
    large = [shown(image, right, 0, 128) for right in (8, 0)]
    small, fine = (
        [torch.nn.functional.avg_pool2d(each[None], 128 // side) for each in large]
        for side in (32, 64)
    )
    found = align(*small)
    assert found.transform[0, 0, 2] == pytest.approx(2 * 8 / 128, abs=0.01)
    assert same_image(fine[0], fine[1], found.transform)
