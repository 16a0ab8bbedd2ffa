"""The features of an image do not depend on the batch that it comes in."""

import pytest
import torch

from facesim.interfaces import Backbone
from facesim.model.trunk_engine import EagerEngine

IMAGES = torch.randint(0, 256, (70, 3, 20, 16), dtype=torch.uint8)


def test_the_output_is_the_trunks(backbone: Backbone) -> None:
    output = EagerEngine(backbone).run(IMAGES)

    torch.testing.assert_close(output, backbone.run_trunk(IMAGES))
    assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("count", [1, 5, 31, 32, 33, 70])
def test_an_image_has_the_same_bits_in_every_batch(backbone: Backbone, count: int) -> None:
    alone = torch.cat([EagerEngine(backbone).run(image[None]) for image in IMAGES])
    order = torch.randperm(len(IMAGES))[:count]

    assert torch.equal(EagerEngine(backbone).run(IMAGES[order]), alone[order])
