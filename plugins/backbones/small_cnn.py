"""A convolutional network that trains on a laptop in a minute."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import nn

from facesim import Backbone, Normalization, backbones
from facesim_plugins.backbones._stages import Pooling, cut

CENTERED = Normalization(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))

STAGES = 4


@backbones("small_cnn", starter="small_cnn")
def small_cnn(
    *,
    width: Annotated[
        int,
        Field(
            description="channels of the first stage; each further stage doubles them",
            gt=0,
            le=256,
        ),
    ] = 16,
    frozen_stages: Annotated[
        int,
        Field(
            description="this many stages keep their random weights, to try frozen trunks without "
            "a download",
            ge=0,
            le=STAGES,
        ),
    ] = 0,
    pooling: Pooling = "average",
) -> Backbone:
    """Four stages of convolution, BatchNorm and ReLU, each halving the resolution.

    It takes images of 16 x 16 pixels or more. There are no pretrained weights.
    """
    channels = [3, *(width * 2**stage for stage in range(STAGES))]
    stages = [_stage(inputs, outputs) for inputs, outputs in pairwise(channels)]
    average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pool = average if pooling == "average" else None
    trunk, tail = cut(nn.Identity(), stages, pool, frozen_stages)
    return Backbone(trunk, tail, channels[-1], CENTERED, pooled=pool is not None)


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
