"""Euclidean distance of embeddings, in float32 whatever the autocast."""

import torch
from torch import Tensor

from facesim import Loss


class EuclideanLoss(Loss):
    """A loss whose score is minus the Euclidean distance between two embeddings."""

    comparison = "euclidean"
    score_unit = "minus the Euclidean distance"

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Minus the Euclidean distance [P] of embeddings [P, D] and [P, D]."""
        return -paired_distance(a, b)


def paired_distance(a: Tensor, b: Tensor) -> Tensor:
    """The distance [P], float32, of each row of ``a`` [P, D] to the same row of ``b`` [P, D]."""
    # vector_norm, unlike the root of a sum, has a finite gradient (0) where a equals b.
    distance: Tensor = torch.linalg.vector_norm(a.float() - b.float(), dim=1)
    return distance


def distance_matrix(embeddings: Tensor) -> Tensor:
    """Pairwise distances [B, B], float32, of embeddings [B, D]; without gradient.

    It is for selecting pairs; ``paired_distance`` then gives their distances with a gradient.
    """
    with torch.no_grad():
        points = embeddings.float()
        # A matrix product would be faster, and inaccurate where two embeddings nearly agree.
        return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
