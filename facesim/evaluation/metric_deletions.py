"""Metrics of scored comparisons without each identity in turn, measured once."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from facesim.arrays import FloatArray
from facesim.evaluation.identity_jackknife import IdentityJackknife
from facesim.evaluation.pooling import MetricQuery, measure_metrics
from facesim.evaluation.uncertainty import Deletions
from facesim.interfaces.roc_block import PairWeights
from facesim.interfaces.scores import LabelledScores

_Kept = dict[tuple[int, MetricQuery], Deletions]
# The intervals of a system and of its differences from others need the same numbers.
_KEPT: WeakKeyDictionary[LabelledScores, _Kept] = WeakKeyDictionary()


def metric_deletions(
    scored: LabelledScores, queries: Sequence[MetricQuery], seed: int
) -> Deletions:
    """The deletions of K metrics, as :meth:`IdentityJackknife.deletions` gives them.

    What was measured on this very object with the same seed is not measured again.

    Args:
        scored: the comparisons.
        queries: what is measured.
        seed: of random groups of pairs.
    """
    kept = _KEPT.setdefault(scored, {})
    missing = [query for query in dict.fromkeys(queries) if (seed, query) not in kept]
    if missing:

        def measure(weights: PairWeights) -> FloatArray:
            return measure_metrics(missing, scored.rocs(weights))

        found = IdentityJackknife.of(scored).deletions(measure, seed)
        for index, query in enumerate(missing):
            kept[seed, query] = found.column(index)
    return Deletions.together([kept[seed, query] for query in queries])
