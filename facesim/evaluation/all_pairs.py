"""Every pair of a table to everything that ``metrics.json`` says about them."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from facesim.arrays import BoolArray, Int64Array
from facesim.data.pair_drawing import PairSpace, draw_pair_numbers
from facesim.evaluation.estimates import Resampling
from facesim.evaluation.evaluate_curve import evaluate_curve
from facesim.evaluation.exhaustive import Score, exhaustive_roc, score_numbered
from facesim.evaluation.identity_bootstrap import IdentityBootstrap
from facesim.evaluation.operating_points import OperatingPoint
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.roc import SortedPairs

SAMPLED_PAIRS = 20_000
"""Pairs of a kind that intervals are made from: 1,000 resamples of them take seconds."""


def evaluate_all_pairs(
    embeddings: Tensor,
    identities: Int64Array,
    score: Score,
    *,
    operating_points: Sequence[OperatingPoint],
    threshold_source: str,
    seed: int,
    resamples: int,
) -> EvaluationResult:
    """Evaluate all ``N (N - 1) / 2`` pairs, whose scores are counted and not kept.

    The values are exact. Intervals come from the identity bootstrap of a random sample, at most
    :data:`SAMPLED_PAIRS` of either kind, around the exact value: the sample's own randomness is in
    them, so that they tend to be wider than those of all pairs would be. A FAR too small to be
    measured on the sample has a TAR and no interval.

    Args:
        embeddings: float [N, D], on the device that ``score`` works on.
        identities: int64 [N].
        score: `Loss.score`.
        operating_points: thresholds chosen elsewhere.
        threshold_source: what they were chosen on, for the reader.
        seed: of the sample and of the resamples.
        resamples: of the identities.

    Raises:
        FacesimError: there is no genuine or no impostor pair, or a score is NaN or infinite.
    """
    thresholds = [at.threshold for at in operating_points if at.threshold is not None]
    result = evaluate_curve(
        exhaustive_roc(embeddings, identities, score, thresholds),
        len(np.unique(identities)),
        operating_points=operating_points,
        threshold_source=threshold_source,
        resampling=_resampling(embeddings, identities, score, seed, resamples),
    )
    return result.model_copy(update={"protocol": "exhaustive"})


def _resampling(
    embeddings: Tensor, identities: Int64Array, score: Score, seed: int, resamples: int
) -> Resampling:
    space = PairSpace.of(identities)
    genuine, impostor = (min(there, SAMPLED_PAIRS) for there in (space.genuine, space.impostor))
    numbers = draw_pair_numbers(space, genuine, impostor, np.random.default_rng(seed))
    same, (first, second) = space.same(numbers), identities[space.rows(numbers)].T
    scores = score_numbered(space, numbers, embeddings, score).astype(np.float64)
    is_sample = len(numbers) < space.genuine + space.impostor
    return Resampling(
        SortedPairs.of(scores, same),
        IdentityBootstrap.of(first, second, same),
        seed,
        resamples,
        stands_for=_stands_for(same, space) if is_sample else None,
    )


def _stands_for(same: BoolArray, space: PairSpace) -> Int64Array:
    """Whole numbers in the proportion of both kinds: the accuracy depends on nothing else."""
    genuine = int(same.sum())
    ratio = (space.impostor / (len(same) - genuine)) / (space.genuine / genuine)
    of_genuine, of_impostor = (1, round(ratio)) if ratio >= 1 else (round(1 / ratio), 1)
    return np.where(same, of_genuine, of_impostor).astype(np.int64)
