"""ResNet, torchvision's implementation."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from facesim import IMAGENET, Backbone, FacesimError, backbones
from facesim_plugins.backbones._stages import Pooling, cut
from facesim_plugins.backbones._weights import load_weights, torchvision_file

SMALLEST = 96
"""Height and width in pixels below which the five halvings leave too little of a face."""


def suggest(size: tuple[int, int]) -> str | None:
    """ResNet-18, frozen but for its last stage, for images of a height and width in pixels."""
    if min(size) < SMALLEST:
        return None
    return (
        "{name: resnet, depth: 18, frozen_stages: 3} "
        "# ImageNet's weights, downloaded on first use; the last stage is trained"
    )


@backbones("resnet", suggest=suggest)
def resnet(
    *,
    depth: Annotated[
        Literal[18, 34, 50, 101, 152], Field(description="number of layers: 50 is ResNet-50")
    ],
    weights: Annotated[
        Literal["imagenet", "none"] | Path,
        Field(description="imagenet (downloaded once), none, or the file of a state dict"),
    ] = "imagenet",
    frozen_stages: Annotated[
        int,
        Field(
            ge=0, le=4, description="the stem and this many stages are frozen; 4 freezes everything"
        ),
    ] = 0,
    last_stage_blocks: Annotated[
        int | None,
        Field(gt=0, description="keep only this many blocks of the fourth stage"),
    ] = None,
    pooling: Pooling = "average",
) -> Backbone:
    """A residual network in four stages.

    Reference:
        He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2016).

    Raises:
        FacesimError: the weights cannot be loaded, or the fourth stage has fewer blocks.
    """
    from torchvision import models  # takes as long to import as torch

    model = models.get_model(f"resnet{depth}", weights=None)
    features = model.fc.in_features
    if weights != "none":
        # Of torchvision's two versions the one of the papers that build on ResNet.
        offered = models.get_model_weights(f"resnet{depth}")["IMAGENET1K_V1"]
        if weights == "imagenet":
            weights = torchvision_file(offered, "resnet", f"ResNet-{depth}")
        load_weights(model, weights, classifier="fc")
    blocks = len(model.layer4)
    if last_stage_blocks is not None and last_stage_blocks > blocks:
        raise FacesimError(
            f"backbone resnet: last_stage_blocks is {last_stage_blocks}, but the fourth stage of "
            f"ResNet-{depth} has {blocks} blocks; write a number from 1 to {blocks}"
        )
    stem = nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool)
    stages = (model.layer1, model.layer2, model.layer3, model.layer4[:last_stage_blocks])
    pool = nn.Sequential(model.avgpool, nn.Flatten()) if pooling == "average" else None
    parts = cut(stem, stages, pool, frozen_stages)
    return Backbone(*parts, features, IMAGENET, pooled=pool is not None)
