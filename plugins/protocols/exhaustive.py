"""Verification on every pair of a table."""

from collections.abc import Callable

import numpy as np

from facesim import (
    BoolArray,
    Comparisons,
    Evaluator,
    FaceTable,
    Int64Array,
    LabelledScores,
    Measurement,
    PairSet,
    PairSpace,
    Protocol,
    System,
    protocols,
)
from facesim_plugins.protocols._exhaustive_roc import exhaustive_roc, score_numbered

SAMPLED_PAIRS = 30_000
"""Pairs of a kind that intervals are made from: some 300 curves of them take seconds, and so many
impostors measure FMR 1e-3."""


@protocols("exhaustive")
class Exhaustive(Protocol):
    """Compare all ``N (N - 1) / 2`` pairs of a table, whose scores are counted and not kept.

    The values are exact. Intervals come from the identity jackknife of a random sample, at most
    :data:`SAMPLED_PAIRS` of either kind, around the exact value: the sample's own randomness is in
    them, so that they tend to be wider than those of all pairs would be. An FMR too small to be
    measured on the sample has a TAR and no interval.
    """

    lists_pairs = False

    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        """All of them; the table must have pairs of both kinds."""
        PairSpace.of(table.identities).require(genuine=1, impostor=1)
        return Comparisons()

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        """Count scores as they pass; there would be ten gigabytes of them for 20,000 images."""
        identities = table.identities
        embeddings = system.embed(np.arange(len(table))).to(system.device)
        roc = exhaustive_roc(embeddings, identities, system.score, evaluator.thresholds)
        space = PairSpace.of(identities)
        numbers = _sample(space, evaluator.seed)
        same, (first, second) = space.same(numbers), identities[space.rows(numbers)].T
        scores = score_numbered(space, numbers, embeddings, system.score)
        is_sample = len(numbers) < space.genuine + space.impostor
        result = evaluator.evaluate_curve(
            roc,
            len(np.unique(identities)),
            LabelledScores.of(scores, same, first, second),
            _stands_for(same, space) if is_sample else None,
        )
        return Measurement(result)


def _sample(space: PairSpace, seed: int) -> Int64Array:
    genuine, impostor = (min(there, SAMPLED_PAIRS) for there in (space.genuine, space.impostor))
    return space.draw(genuine, impostor, np.random.default_rng(seed))


def _stands_for(same: BoolArray, space: PairSpace) -> Int64Array:
    """Whole numbers in the proportion of both kinds: the accuracy depends on nothing else."""
    genuine = int(same.sum())
    ratio = (space.impostor / (len(same) - genuine)) / (space.genuine / genuine)
    of_genuine, of_impostor = (1, round(ratio)) if ratio >= 1 else (round(1 / ratio), 1)
    return np.where(same, of_genuine, of_impostor).astype(np.int64)
