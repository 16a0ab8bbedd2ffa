"""Untrained networks as baselines."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesim.experiment.schema import Experiment
from facesim.interfaces import Backbone, Loss, ModuleHead, Normalization, PairBatch
from facesim.model.build import build_backbone
from facesim.model.network import SiameseNetwork

PIXELS_SIDE = 32
"""Height and width to which `raw_pixels` resizes an image: faces stay recognisable, and a pixel
shows about the same part of every aligned face."""

_LUMA = (0.299, 0.587, 0.114)
_UNCHANGED = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Cosine(Loss):
    """Cosine similarity as the score; cannot be trained."""

    of_training_identities = True  # so that its value on val is never computed

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Not implemented: raises NotImplementedError."""
        raise NotImplementedError("an untrained baseline has no loss")

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine [P] of embeddings [P, D] and [P, D]; 0 where either is all zeros."""
        return functional.cosine_similarity(a.float(), b.float(), dim=1)


class CentredGrey(nn.Module):
    """Mean-centred grey values of an image as a vector."""

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, 3, H, W] -> [B, H W]."""
        luma = images.new_tensor(_LUMA).view(1, 3, 1, 1)
        grey = (images * luma).sum(dim=1).flatten(1)
        return grey - grey.mean(dim=1, keepdim=True)


def raw_pixels(device: torch.device) -> SiameseNetwork:
    """A network whose embedding is the image itself, grey and mean-centred.

    With the cosine this is the zero-mean normalised cross-correlation of two images, which is
    invariant to brightness and contrast. It takes images of any size.
    """
    backbone = Backbone(nn.Identity(), CentredGrey(), PIXELS_SIDE**2, _UNCHANGED)
    return SiameseNetwork(backbone, ModuleHead(nn.Identity()), Cosine(), PIXELS_SIDE**2).to(device)


def untouched_backbone(experiment: Experiment, device: torch.device) -> SiameseNetwork:
    """A network whose embedding is the pooled features of the untrained backbone.

    If the backbone leaves pooling to the head, the feature maps are averaged.

    Raises:
        FacesimError: the backbone cannot be built.
    """
    backbone = build_backbone(experiment)
    average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Identity() if backbone.pooled else average
    network = SiameseNetwork(backbone, ModuleHead(head), Cosine(), backbone.features)
    return network.to(memory_format=torch.channels_last).to(device)
