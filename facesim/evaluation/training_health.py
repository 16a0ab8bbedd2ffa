"""Diagnostics of val after an epoch: embedding spread and score distributions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray
from facesim.evaluation.embedding_spread import EmbeddingSpread, embedding_spread

QUANTILES = (5, 25, 50, 75, 95)
"""Per cent; enough to compare two distributions of scores."""


@dataclass(frozen=True)
class TrainingHealth:
    """The distributions of scores and embeddings after an epoch.

    Attributes:
        spread: of the embeddings of the val images.
        genuine_scores: the `QUANTILES` of the genuine pairs' scores; empty where there are none.
        impostor_scores: those of the impostor pairs.
        impostors_inside_margin: share of the impostor pairs with a non-zero loss; None for
            a loss without margin, or without impostor pairs.
    """

    spread: EmbeddingSpread
    genuine_scores: tuple[float, ...]
    impostor_scores: tuple[float, ...]
    impostors_inside_margin: float | None

    def values(self) -> dict[str, float]:
        """The defined values by name, for the log and the trackers."""
        values = {
            "embedding_variance": self.spread.variance,
            "embedding_relative_variance": self.spread.relative_variance,
            "effective_rank": self.spread.effective_rank,
        }
        for kind, scores in (("genuine", self.genuine_scores), ("impostor", self.impostor_scores)):
            names = [f"{kind}_score_q{per_cent:02d}" for per_cent in QUANTILES]
            values |= dict(zip(names, scores, strict=bool(scores)))
        if self.impostors_inside_margin is not None:
            values["impostors_inside_margin"] = self.impostors_inside_margin
        return values


def training_health(
    embeddings: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    same: BoolArray,
    *,
    impostor_margin: float | None,
) -> TrainingHealth:
    """Summarise the scores of P pairs and the embeddings of their N images.

    Args:
        embeddings: float [N, D].
        scores: float [P], finite.
        same: bool [P], True for genuine pairs.
        impostor_margin: the score above which an impostor pair has a non-zero loss, of
            `facesim.Loss.impostor_margin`.
    """
    impostors = scores[~same]
    inside = None
    if impostor_margin is not None and len(impostors):
        inside = float((impostors > impostor_margin).mean())
    return TrainingHealth(
        embedding_spread(embeddings), _quantiles(scores[same]), _quantiles(impostors), inside
    )


def _quantiles(scores: npt.NDArray[np.floating]) -> tuple[float, ...]:
    if not len(scores):
        return ()
    return tuple(np.percentile(scores.astype(np.float64), QUANTILES).tolist())
