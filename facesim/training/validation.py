"""Per-epoch validation: metrics, embedding diagnostics, warnings."""

from dataclasses import dataclass

from facesim.evaluation.collapse import collapse_warnings
from facesim.evaluation.embedding import Embedder
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.pair_identities import effective_pair_identities
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.scoring import score_pairs
from facesim.evaluation.training_health import TrainingHealth, training_health
from facesim.interfaces import PairSet
from facesim.training.build import Split


@dataclass(frozen=True)
class Validation:
    """Metrics and diagnostics on val after one epoch.

    Attributes:
        result: the metrics, without intervals.
        health: statistics of scores and embeddings.
        chance_loss: loss of a constant predictor on these pairs; None if unknown.
    """

    result: EvaluationResult
    health: TrainingHealth
    chance_loss: float | None

    def warnings(self, epochs_done: int, epochs: int) -> tuple[str, ...]:
        """Signs of a failed training after ``epochs_done`` of ``epochs``."""
        return collapse_warnings(
            self.health.spread,
            loss=self.result.loss,
            chance_loss=self.chance_loss,
            roc_auc=self.result.roc_auc.value,
            epochs_done=epochs_done,
            epochs=epochs,
        )


def validate(embedder: Embedder, val: Split, pairs: PairSet) -> Validation:
    """Score the pairs of val with the network as it is.

    Args:
        embedder: of val's images.
        val: the split.
        pairs: of its table.
    """
    network = embedder.network
    scored = score_pairs(embedder, pairs, val.table.identities)
    result = evaluate_scores(
        scored.scores,
        pairs.same,
        *effective_pair_identities(pairs, val.table.identities),
        threshold_source="these pairs of val",
        loss=scored.loss,
    )
    margin = network.loss.impostor_margin()
    return Validation(
        result,
        training_health(scored.embeddings, scored.scores, pairs.same, impostor_margin=margin),
        network.loss.chance_loss(result.genuine / result.pairs) if result.pairs else None,
    )
