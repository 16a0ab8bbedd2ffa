"""Diagnostics of a validation: embeddings, score distributions, and warnings of collapse."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesim.arrays import BoolArray, FloatArray
from facesim.errors import count

_MOST_EMBEDDINGS = 4096
"""Of more, this many evenly spaced ones are enough."""

_FLOAT32_NOISE = float(np.finfo(np.float32).eps) ** 2


@dataclass(frozen=True)
class EmbeddingSpread:
    """The spread of N embeddings [N, D] around their mean.

    Attributes:
        variance: mean squared distance from their mean, in squared units of the embedding.
        relative_variance: the same as a share of their mean squared length, from 0 (all alike) to
            1 (around the origin); independent of the embedding's scale.
        effective_rank: number of directions of the spread, from 1 (a point or a line) to D.
        dimensions: D.
    """

    variance: float
    relative_variance: float
    effective_rank: float
    dimensions: int


def embedding_spread(embeddings: npt.NDArray[np.floating]) -> EmbeddingSpread:
    """Measure the spread of embeddings, in bounded time.

    Args:
        embeddings: float [N, D], one row per image; N is 1 or more.
    """
    sample = _evenly_spaced(embeddings).astype(np.float64)
    centred = sample - sample.mean(axis=0)
    variance = float(np.square(centred).sum(axis=1).mean())
    squared_length = float(np.square(sample).sum(axis=1).mean())
    relative = variance / squared_length if squared_length else 0.0
    # The residue of equal embeddings is rounding noise, which has full rank.
    rank = effective_rank(centred) if relative > _FLOAT32_NOISE else 1.0
    return EmbeddingSpread(variance, relative, rank, sample.shape[1])


def effective_rank(rows: FloatArray) -> float:
    """Effective rank: the exponential of the entropy of the normalised singular values.

    K equal singular values, the others 0, give K; unequal ones give less.
    Roy and Vetterli, "The effective rank: a measure of effective dimensionality", 2007.

    Args:
        rows: float64 [N, D], not all 0; embeddings must be centred first.
    """
    # Eigenvalues of the D x D product, because N may be thousands.
    squares = np.linalg.eigvalsh(rows.T @ rows)
    values = np.sqrt(np.maximum(squares, 0.0))
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _evenly_spaced(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    if len(embeddings) <= _MOST_EMBEDDINGS:
        return embeddings
    return embeddings[np.linspace(0, len(embeddings) - 1, _MOST_EMBEDDINGS).astype(np.int64)]


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


WARMUP_EPOCHS = 2
"""A freshly initialised network looks collapsed, so the checks begin after these epochs."""

POINT_VARIANCE = 1e-4
"""Embeddings whose variance is a smaller share of their squared length have collapsed to a point: a
standard deviation of 1% of the length is where networks start, not where training ends."""

LINE_RANK = 1.2
"""Embeddings of a lower effective rank lie on a line: one direction holds 96% of the sum of the
singular values."""

CHANCE_LOSS = 0.98
"""A loss at or above this share of its chance value has not improved..."""

CHANCE_AUC = 0.55
"""...if the AUC is low as well: a loss is also high where the scale of the embeddings is wrong but
the order of the scores is right."""

WORSE_THAN_CHANCE = 1.1
"""A loss above this multiple of its chance value is not stuck at it, but worse."""


def collapse_warnings(
    spread: EmbeddingSpread,
    *,
    loss: float | None,
    chance_loss: float | None,
    roc_auc: float | None,
    epochs_done: int,
    epochs: int,
) -> tuple[str, ...]:
    """One sentence per sign of failed training, with what to try.

    Args:
        spread: of the embeddings of val.
        loss: the mean loss on val, if the loss has one there.
        chance_loss: its `facesim.Loss.chance_loss` on these pairs, if it has one.
        roc_auc: area under the ROC curve on val, if there are pairs of both kinds.
        epochs_done: completed epochs.
        epochs: of the whole run; the last epoch is always checked.
    """
    if epochs_done < min(WARMUP_EPOCHS, epochs):
        return ()
    return (*_of_spread(spread), *_of_loss(loss, chance_loss, roc_auc, epochs_done))


def _of_spread(spread: EmbeddingSpread) -> Iterator[str]:
    if spread.relative_variance < POINT_VARIANCE:
        yield (
            "all faces get nearly the same embedding: the variance is "
            f"{spread.relative_variance:.1e} of the squared length. The network has collapsed to a "
            "point, or not left its initial one; try a lower optimizer.lr, or a higher one if the "
            "loss has hardly changed, and a sampler with more identities per batch"
        )
    elif spread.dimensions > 1 and spread.effective_rank < LINE_RANK:
        yield (
            f"the embeddings lie on a line: their effective rank is {spread.effective_rank:.2f} "
            f"of {spread.dimensions}. The network uses a single direction; try a lower "
            "optimizer.lr, a sampler with more identities per batch, or another loss"
        )


def _of_loss(
    loss: float | None, chance_loss: float | None, roc_auc: float | None, epochs_done: int
) -> Iterator[str]:
    if loss is None or chance_loss is None or roc_auc is None:
        return
    if loss < CHANCE_LOSS * chance_loss or roc_auc >= CHANCE_AUC:
        return
    if loss > WORSE_THAN_CHANCE * chance_loss:
        yield (
            f"the loss on val is worse than chance after {count(epochs_done, 'epoch')}: "
            f"{loss:.4f}, "
            f"where a constant score gives {chance_loss:.4f}, and the area under the ROC curve is "
            f"{roc_auc:.3f}. The scores are on a wrong scale, or sure of wrong answers, as where "
            "training diverges or learns the training identities by heart. Try a lower "
            "optimizer.lr, look whether the loss on train falls, and check the identities of both "
            "tables"
        )
    else:
        yield (
            f"the loss on val is stuck at its chance value after {count(epochs_done, 'epoch')}: "
            f"{loss:.4f}, "
            f"where a constant score gives {chance_loss:.4f}, and the area under the ROC curve is "
            f"{roc_auc:.3f}. Try a higher or a lower optimizer.lr and fewer frozen stages of the "
            "backbone, and check the identities of the training table"
        )
