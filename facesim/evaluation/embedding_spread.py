"""Variance and effective rank of embeddings, which a collapse reduces."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesim.arrays import FloatArray

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
