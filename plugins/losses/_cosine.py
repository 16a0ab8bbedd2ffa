"""Cosine similarity of embeddings, in float32 whatever the autocast."""

import torch
from torch import Tensor
from torch.nn import functional

from facesim import Loss


class CosineLoss(Loss):
    """A loss whose score is the cosine of the angle between two embeddings."""

    comparison = "cosine"
    score_unit = "cosine"

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """The cosine [P], from -1 to 1, of embeddings [P, D] and [P, D]."""
        return paired_cosine(a, b)


def paired_cosine(a: Tensor, b: Tensor) -> Tensor:
    """The cosine [P], float32, of each row of ``a`` [P, D] with the same row of ``b`` [P, D].

    It is 0 for a row of zeros; its gradient is finite everywhere.
    """
    return (_directions(a) * _directions(b)).sum(1).clamp(-1, 1)


def cosine_matrix(a: Tensor, b: Tensor) -> Tensor:
    """The cosine [N, M], float32, of every row of ``a`` [N, D] with every row of ``b`` [M, D]."""
    # Autocast would multiply in half precision, whose resolution near 1 is coarser than a margin.
    with torch.autocast(a.device.type, enabled=False):
        return (_directions(a) @ _directions(b).T).clamp(-1, 1)


def _directions(embeddings: Tensor) -> Tensor:
    return functional.normalize(embeddings.float())
