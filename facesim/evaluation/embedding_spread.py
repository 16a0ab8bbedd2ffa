"""How far embeddings spread, and in how many directions: what a collapse takes away."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesim.arrays import FloatArray

_MOST_EMBEDDINGS = 4096
"""Of more, as many evenly spaced ones tell as much."""

_FLOAT32_NOISE = float(np.finfo(np.float32).eps) ** 2


@dataclass(frozen=True)
class EmbeddingSpread:
    """How N embeddings of D numbers lie around their mean.

    Attributes:
        variance: mean squared distance from their mean, in squared units of the embedding.
        relative_variance: the same as a share of their mean squared length, from 0 (all alike) to
            1 (around the origin); it does not change with the embedding's unit.
        effective_rank: in how many directions they spread, from 1 (a point or a line) to D.
        dimensions: D.
    """

    variance: float
    relative_variance: float
    effective_rank: float
    dimensions: int


def embedding_spread(embeddings: npt.NDArray[np.floating]) -> EmbeddingSpread:
    """Measure the spread of embeddings, in a time that does not grow with their number.

    Args:
        embeddings: float [N, D], one row per image; N is 1 or more.
    """
    sample = _evenly_spaced(embeddings).astype(np.float64)
    centred = sample - sample.mean(axis=0)
    variance = float(np.square(centred).sum(axis=1).mean())
    squared_length = float(np.square(sample).sum(axis=1).mean())
    relative = variance / squared_length if squared_length else 0.0
    # What is left of equal embeddings is rounding, which points everywhere.
    rank = effective_rank(centred) if relative > _FLOAT32_NOISE else 1.0
    return EmbeddingSpread(variance, relative, rank, sample.shape[1])


def effective_rank(rows: FloatArray) -> float:
    """The exponential of the entropy of a matrix's singular values, as shares of their sum.

    It is K where K singular values are equal and the others 0, and less the more unequal they are.
    Roy and Vetterli, "The effective rank: a measure of effective dimensionality", 2007.

    Args:
        rows: float64 [N, D], not all 0. What is asked of embeddings is asked of centred ones: the
            mean that all have in common tells none of them apart.
    """
    # Of the D x D products and not of the rows themselves: N may be thousands.
    squares = np.linalg.eigvalsh(rows.T @ rows)
    values = np.sqrt(np.maximum(squares, 0.0))
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _evenly_spaced(embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    if len(embeddings) <= _MOST_EMBEDDINGS:
        return embeddings
    return embeddings[np.linspace(0, len(embeddings) - 1, _MOST_EMBEDDINGS).astype(np.int64)]
