"""Networks in which nothing is trained for the task: what training is measured against."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from facesim.experiment.schema import Experiment
from facesim.interfaces import Backbone, Loss, ModuleHead, Normalization, PairBatch
from facesim.model.network import SiameseNetwork, build_backbone

PIXELS_SIDE = 32
"""Height and width to which `raw_pixels` brings a picture: faces stay recognisable, and what one
pixel shows is about the same part of every aligned face."""

_LUMA = (0.299, 0.587, 0.114)
_UNCHANGED = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Cosine(Loss):
    """The cosine of two embeddings as the score; nothing can be trained with it."""

    of_training_identities = True  # so that nobody asks for its value on val

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Refuse."""
        raise NotImplementedError("a network that is measured untrained has no loss")

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """The cosine [P] of embeddings [P, D] and [P, D]; 0 where one of them is all 0."""
        return functional.cosine_similarity(a.float(), b.float(), dim=1)


class CentredGrey(nn.Module):
    """A picture's grey values without their mean, as one row."""

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, 3, H, W] -> [B, H W]."""
        luma = images.new_tensor(_LUMA).view(1, 3, 1, 1)
        grey = (images * luma).sum(dim=1).flatten(1)
        return grey - grey.mean(dim=1, keepdim=True)


def raw_pixels(device: torch.device) -> SiameseNetwork:
    """A network whose embedding of a picture is the picture, grey and mean-centred.

    With the cosine it is the zero-mean normalised cross-correlation of two pictures, which
    neither a brighter nor a more contrasty copy changes. It is fed pictures of any size.
    """
    backbone = Backbone(nn.Identity(), CentredGrey(), PIXELS_SIDE**2, _UNCHANGED)
    return SiameseNetwork(backbone, ModuleHead(nn.Identity()), Cosine(), PIXELS_SIDE**2).to(device)


def untouched_backbone(experiment: Experiment, device: torch.device) -> SiameseNetwork:
    """A network whose embedding is the pooled features of the backbone before any training.

    Where the backbone leaves the pooling to the head, they are averaged over the picture.

    Raises:
        FacesimError: the backbone cannot be built.
    """
    backbone = build_backbone(experiment)
    average = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Identity() if backbone.pooled else average
    network = SiameseNetwork(backbone, ModuleHead(head), Cosine(), backbone.features)
    return network.to(memory_format=torch.channels_last).to(device)
