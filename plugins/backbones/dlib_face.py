"""dlib's face recognition network, with its weights from the package registry."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from facesim import Backbone, Normalization, backbones
from facesim_plugins._face_recognition_models import model_file
from facesim_plugins.backbones._dlib_file import DlibLayers
from facesim_plugins.backbones._stages import Pooling, cut

FEATURES = 128

AVERAGE_FACE = Normalization(
    mean=(122.782 / 255, 117.001 / 255, 104.298 / 255), std=(256 / 255,) * 3
)
"""dlib subtracts this colour from pixels, and divides by 256."""

CHANNELS = ((32, 32, 32), (64, 64, 64, 64), (128, 128, 128), (256, 256, 256), (256,))
"""Of the residual blocks of each stage; the first block of each but the first stage halves."""

STAGES = len(CHANNELS) + 1


@backbones("dlib_face", packages=("face_recognition_models",))
def dlib_face(
    *,
    weights: Annotated[
        Literal["dlib", "none"] | Path,
        Field(
            description="dlib (from an installed package), none, or a file of dlib's with a "
            "network of this architecture"
        ),
    ] = "dlib",
    frozen_stages: Annotated[
        int,
        Field(
            ge=0,
            le=STAGES,
            description="the stem and this many stages are frozen: five of residual blocks, then "
            "the projection to 128 numbers; 6 freezes everything",
        ),
    ] = STAGES,
    pooling: Pooling = "average",
) -> Backbone:
    """A ResNet of 29 layers that maps an aligned face to 128 numbers, as dlib computes them.

    It takes what dlib calls a face chip, which the image's template ``dlib`` makes, and no other
    size than 150 x 150: on a face that is larger or smaller in its image than in a chip it is much
    less accurate. Two faces are compared by the Euclidean distance; dlib takes those closer than
    0.6 for one person. With the head ``identity`` (``normalize: false``), a loss without weights
    and ``train.epochs: 0`` it is evaluated as it is.

    The weights are read into torch's own layers: dlib is not needed, and its own numbers are met to
    1e-5. The scales and shifts that follow its convolutions are multiplied into these. The file is
    in the public domain; it was trained on faces from the web (VGG Face, FaceScrub and others).

    Reference:
        King: High Quality Face Recognition with Deep Metric Learning (dlib's blog, 2017).

    Raises:
        FacesimError: the package is not installed, or the file does not fit.
    """
    stem = nn.Sequential(nn.Conv2d(3, 32, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2))
    stages: list[nn.Module] = []
    width = 32
    for number, channels in enumerate(CHANNELS):
        blocks = []
        for index, outputs in enumerate(channels):
            blocks.append(_Residual(width, outputs, halves=index == 0 and number > 0))
            width = outputs
        stages.append(nn.Sequential(*blocks))
    # dlib projects the average. As a projection of the maps it is the same, and heads may pool.
    projection = nn.Conv2d(width, FEATURES, 1, bias=False)
    if weights != "none":
        name = "dlib_face_recognition_resnet_model_v1.dat"
        file = model_file(name, "backbone dlib_face") if weights == "dlib" else weights
        _load([stem, *stages], projection, DlibLayers(file))
    average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pool = average if pooling == "average" else None
    trunk, tail = cut(stem, [*stages, projection], pool, frozen_stages)
    return Backbone(
        trunk, tail, FEATURES, AVERAGE_FACE, pooled=pool is not None, image_size=(150, 150)
    )


class _Residual(nn.Module):
    """Two convolutions, added to their input; dlib pads the smaller of the two by zeros."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = (
            nn.Conv2d(inputs, outputs, 3, stride=2)
            if halves
            else nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Maps [B, inputs, h, w] -> [B, outputs, h', w']."""
        added = self.second(functional.relu(self.first(images)))
        if self.halves:
            images = functional.avg_pool2d(images, 2)
        sizes = [max(pair) for pair in zip(images.shape[1:], added.shape[1:], strict=True)]
        return functional.relu(_padded(images, sizes) + _padded(added, sizes))


def _padded(maps: Tensor, sizes: list[int]) -> Tensor:
    """Zeros appended to channels, height and width."""
    missing = [size - had for size, had in zip(sizes, maps.shape[1:], strict=True)]
    return functional.pad(maps, [each for count in reversed(missing) for each in (0, count)])


@torch.no_grad()
def _load(convolutional: list[nn.Module], projection: nn.Conv2d, layers: DlibLayers) -> None:
    for stage in convolutional:
        for layer in stage.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                outputs = (layer.out_channels,)
                weight, bias = layers.next("con_4", tuple(layer.weight.shape), outputs)
                scale, shift = layers.next("affine_", outputs, outputs)
                layer.weight.copy_(weight * scale.view(-1, 1, 1, 1))
                layer.bias.copy_(bias * scale + shift)
    matrix = (projection.in_channels, FEATURES)
    (weight,) = layers.next("fc_2", matrix, settings=2)
    projection.weight.copy_(weight.T[..., None, None])
