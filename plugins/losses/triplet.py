"""Triplet loss with in-batch mining."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from facesim import PairBatch, losses
from facesim_plugins.losses._euclidean import EuclideanLoss, distance_matrix, paired_distance
from facesim_plugins.losses._pair_masks import genuine_pairs, impostor_pairs

Triplets = tuple[Tensor, Tensor, Tensor]
"""Positions int64 [T] in a batch of the anchors, their genuine partners and their impostors."""


@losses("triplet")
class Triplet(EuclideanLoss):
    """Make each image closer to its own identity than to any other, by a margin.

    The loss of a triplet, an anchor with a genuine partner at distance ``g`` and an impostor at
    distance ``i``, is ``max(0, g - i + margin)``, or ``log(1 + exp(g - i))`` without a margin; the
    loss is the mean over the triplets, and 0 if there are none. They are mined in the batch:

    - ``batch_hard``: each image with its farthest partner and its nearest impostor;
    - ``semi_hard``: each image with each of its partners, and the nearest impostor that is farther
      away than the partner, or the farthest of all if none is.

    The score is minus the Euclidean distance. A head with ``normalize: true`` puts the embeddings
    on the unit sphere, as in FaceNet, which squares the distances; here they are not squared.

    Reference:
        Schroff, Kalenichenko, Philbin: FaceNet: A Unified Embedding for Face Recognition and
        Clustering (2015), semi-hard. Hermans, Beyer, Leibe: In Defense of the Triplet Loss for
        Person Re-Identification (2017), batch-hard and the soft margin.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_identities: int,
        *,
        mining: Annotated[
            Literal["batch_hard", "semi_hard"], Field(description="which triplets of the batch")
        ] = "batch_hard",
        margin: Annotated[
            float | None,
            Field(gt=0, description="how much closer the partner should be; null: soft margin"),
        ] = 0.2,
    ) -> None:
        super().__init__()
        self.mining, self.margin = mining, margin

    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> the mean loss per triplet."""
        mine = _batch_hard if self.mining == "batch_hard" else _semi_hard
        triplets = mine(distance_matrix(embeddings), batch.identities)
        anchors, partners, impostors = (embeddings.index_select(0, side) for side in triplets)
        excess = paired_distance(anchors, partners) - paired_distance(anchors, impostors)
        return self._costs(excess).sum() / max(len(excess), 1)

    def chance_loss(self, genuine_share: float) -> float | None:
        """The loss of a partner as far away as the impostor; None if there may be no triplet."""
        if not 0 < genuine_share < 1:
            return None
        return self._costs(torch.zeros(())).item()

    def _costs(self, excess: Tensor) -> Tensor:
        if self.margin is None:
            return functional.softplus(excess)
        return (excess + self.margin).clamp_min(0)


def _batch_hard(distances: Tensor, identities: Tensor) -> Triplets:
    genuine, impostor = genuine_pairs(identities), impostor_pairs(identities)
    anchors = (genuine.any(1) & impostor.any(1)).nonzero().squeeze(1)
    partners = distances.masked_fill(~genuine, -torch.inf).argmax(1)
    impostors = distances.masked_fill(~impostor, torch.inf).argmin(1)
    return anchors, partners[anchors], impostors[anchors]


def _semi_hard(distances: Tensor, identities: Tensor) -> Triplets:
    genuine, impostor = genuine_pairs(identities), impostor_pairs(identities)
    count = impostor.sum(1, keepdim=True)
    anchors, partners = (genuine & (count > 0)).nonzero().unbind(1)
    # In the row sorted by distance, the semi-hard impostor follows those at most as far away as
    # the partner.
    by_distance, impostors = distances.masked_fill(~impostor, torch.inf).sort(1)
    nearer = torch.searchsorted(by_distance, distances, right=True)
    place = nearer.minimum(count - 1)[anchors, partners]
    return anchors, partners, impostors[anchors, place]
