"""Losses: the training loss and the score by which the trained system compares two faces."""

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

from facesim.interfaces.sampler import PairBatch


class Loss(nn.Module, ABC):
    """A training loss together with the score by which the trained system compares two faces.

    Attributes:
        of_training_identities: True where ``forward`` reads a weight per training identity, so
            that it has no value for other people's faces.
        comparison: ``cosine`` where ``score`` never decreases as the inner product of the two
            embeddings at unit length increases, ``euclidean`` where it never increases with their
            Euclidean distance: the best matches of a face are then found by a matrix product. None
            where ``score`` is neither, or may be after training.
        score_unit: what a score is, for those who read a threshold: ``cosine``, ``logit``, ``minus
            the Euclidean distance``; empty where it has no name.
    """

    of_training_identities: bool = False
    comparison: Literal["cosine", "euclidean"] | None = None
    score_unit: str = ""

    @abstractmethod
    def forward(self, embeddings: Tensor, batch: PairBatch) -> Tensor:
        """Embeddings float [B, D] of ``batch.images`` -> a scalar that is finite for any batch.

        A function of the whole batch and torch's generator alone: every process computes the same,
        and the engine takes from each the gradient of its own images.
        """

    @abstractmethod
    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarity [P] of embeddings [P, D] and [P, D]: higher is more alike, symmetric."""

    def impostor_margin(self) -> float | None:
        """The score at and below which an impostor pair costs nothing, if there is one.

        With it the log shows how many impostor pairs there still are to learn from.
        """
        return None

    def chance_loss(self, genuine_share: float) -> float | None:  # noqa: ARG002
        """The least that ``forward`` can be where all pairs have the same score, if that is known.

        With it the log says so if the loss is stuck there.

        Args:
            genuine_share: of the pairs, from 0 to 1.
        """
        return None
