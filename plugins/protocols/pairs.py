"""Verification on a list of pairs."""

from collections.abc import Callable

from facesim import (
    Comparisons,
    Evaluator,
    FaceTable,
    Measurement,
    PairSet,
    Protocol,
    System,
    protocols,
)


@protocols("pairs", aliases=("verification",), default=True)
class Pairs(Protocol):
    """Compare a list of image pairs, with the thresholds that val chose."""

    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        """The pairs as they are listed or drawn."""
        return Comparisons(listed_pairs())

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        """Score each pair."""
        scored = system.score_pairs(comparisons.pair_list)
        labelled = scored.labelled(table.identities)
        return Measurement(evaluator.evaluate(labelled, scored.loss), scored)
