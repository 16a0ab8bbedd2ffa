"""What every registered transform promises."""

import pickle
import random

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim import Transform, transforms

EVERY_TRANSFORM = pytest.mark.parametrize("name", transforms.names())


def build(name: str) -> Transform:
    return transforms.spec(name).build()


def picture(height: int = 40, width: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def after_seed(transform: Transform, seed: int, image: Tensor) -> Tensor:
    torch.manual_seed(seed)
    return transform(image)


@EVERY_TRANSFORM
@pytest.mark.parametrize("size", [(40, 32), (8, 8), (218, 178)])
def test_shape_and_dtype_are_kept(name: str, size: tuple[int, int]) -> None:
    transform = build(name)
    for seed in range(10):
        changed = after_seed(transform, seed, picture(*size))
        assert changed.shape == (3, *size)
        assert changed.dtype == torch.uint8


@EVERY_TRANSFORM
def test_the_seed_alone_decides_the_outcome(name: str) -> None:
    first, second = build(name), build(name)
    for seed in range(10):
        torch.testing.assert_close(
            after_seed(first, seed, picture()), after_seed(second, seed, picture()), rtol=0, atol=0
        )


@EVERY_TRANSFORM
def test_seeds_lead_to_different_outcomes(name: str) -> None:
    transform = build(name)
    outcomes = {after_seed(transform, seed, picture()).numpy().tobytes() for seed in range(20)}
    assert len(outcomes) > 1


@EVERY_TRANSFORM
def test_the_image_handed_in_stays_as_it_was(name: str) -> None:
    transform, image = build(name), picture()
    for seed in range(10):
        after_seed(transform, seed, image)
        assert torch.equal(image, picture())


@EVERY_TRANSFORM
def test_images_stored_channels_last_come_out_alike(name: str) -> None:
    """Decoders hand out views of [H, W, 3]; the memory's order must not matter."""
    transform = build(name)
    view = picture().permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for seed in range(10):
        assert torch.equal(
            after_seed(transform, seed, view), after_seed(transform, seed, picture())
        )


@EVERY_TRANSFORM
def test_worker_processes_can_be_handed_it(name: str) -> None:
    """Where processes are not forked, they get a pickle."""
    transform = build(name)
    copy = pickle.loads(pickle.dumps(transform))
    assert torch.equal(after_seed(copy, 1, picture()), after_seed(transform, 1, picture()))


@EVERY_TRANSFORM
def test_only_torch_s_generator_is_drawn_from(name: str) -> None:
    transform = build(name)
    outcomes = []
    for elsewhere in (1, 2):
        random.seed(elsewhere)
        np.random.seed(elsewhere)  # noqa: NPY002
        outcomes.append(torch.stack([after_seed(transform, s, picture()) for s in range(10)]))
    assert torch.equal(*outcomes)
