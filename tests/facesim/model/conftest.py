"""A tiny backbone and a few pictures, for the tests of the trunk cache."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from facesim.interfaces import IMAGENET, Backbone, FaceTable

HEIGHT, WIDTH = 20, 16


def make_table(folder: Path, count: int, seed: int = 0) -> FaceTable:
    """Pictures of noise, losslessly."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    files = [f"{number:03d}.png" for number in range(count)]
    for file in files:
        pixels = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / file)
    return FaceTable(folder, np.array(files), np.zeros(count, np.int64), np.array(["one"]))


def make_backbone() -> Backbone:
    """Always the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 8, 3, stride=2)
        trunk = nn.Sequential(convolution, nn.BatchNorm2d(8), nn.ReLU())
        tail = nn.Sequential(nn.Conv2d(8, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = Backbone(trunk, tail, 4, IMAGENET)
    return backbone.to(memory_format=torch.channels_last)


@pytest.fixture
def table(tmp_path: Path) -> FaceTable:
    return make_table(tmp_path / "images", 70)


@pytest.fixture
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture
def tables(tmp_path: Path) -> Callable[[int], FaceTable]:
    """Makes tables of so many pictures."""
    return lambda count: make_table(tmp_path / f"images-{count}", count)
