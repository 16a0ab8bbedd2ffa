"""Pixels as inputs of the network: in order, and augmented in training only."""

import numpy as np
import pytest
import torch
from torch import Tensor

from facesim.data.augmentation import Augmentation
from facesim.data.preprocessing import Preprocessing
from facesim.interfaces import FaceTable, PairBatch
from facesim.interfaces.transform import CallableTransform
from facesim.model.inputs import PixelInputs

PREPROCESSING = Preprocessing((20, 16))


def darken(image: Tensor) -> Tensor:
    return image // int(torch.randint(2, 5, ()))


@pytest.fixture
def inputs(table: FaceTable) -> PixelInputs:
    return PixelInputs(table, PREPROCESSING, transforms=(CallableTransform(darken),), seed=3)


def pixels(table: FaceTable, rows: list[int]) -> Tensor:
    return torch.stack([PREPROCESSING.decode(table.path(row)) for row in rows])


def test_batches_hold_the_augmented_pixels_of_their_images(
    inputs: PixelInputs, table: FaceTable
) -> None:
    batch = PairBatch.of_pairs(np.array([[9, 3], [3, 60]]), np.arange(70))
    for epoch in (0, 1):
        ((same, read),) = inputs.batches([batch], epoch)
        augmentation = Augmentation(inputs.transforms, 3, epoch)
        plain = pixels(table, [3, 9, 60])
        expected = [augmentation(image, row) for image, row in zip(plain, (3, 9, 60), strict=True)]
        assert same is batch
        assert read.kind == "pixels"
        assert torch.equal(read.values, torch.stack(expected))
        assert not torch.equal(read.values, plain)


def test_rows_come_in_order_in_batches_and_as_they_are(
    inputs: PixelInputs, table: FaceTable
) -> None:
    parts = list(inputs.rows(np.array([9, 60, 3]), 2))
    assert [(len(part), part.kind) for part in parts] == [(2, "pixels"), (1, "pixels")]
    assert torch.equal(torch.cat([part.values for part in parts]), pixels(table, [9, 60, 3]))
