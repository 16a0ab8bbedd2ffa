"""Per-epoch validation: metrics, embedding diagnostics, warnings."""

from collections.abc import Mapping
from dataclasses import dataclass

from facesim.evaluation.diagnostics import TrainingHealth, collapse_warnings, training_health
from facesim.evaluation.embedding import Embedder, score_pairs
from facesim.evaluation.evaluate import evaluate_scores
from facesim.interfaces import PairSet
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import EvaluationResult
from facesim.interfaces.scores import LabelledScores
from facesim.training.build import Split


@dataclass(frozen=True)
class Validation:
    """Metrics and diagnostics on val after one epoch.

    Attributes:
        result: the metrics, without intervals.
        roc_auc: area under the ROC curve; None unless there are pairs of both kinds.
        health: statistics of scores and embeddings.
        chance_loss: loss of a constant predictor on these pairs; None if unknown.
    """

    result: EvaluationResult
    roc_auc: float | None
    health: TrainingHealth
    chance_loss: float | None

    def warnings(self, epochs_done: int, epochs: int) -> tuple[str, ...]:
        """Signs of a failed training after ``epochs_done`` of ``epochs``."""
        return collapse_warnings(
            self.health.spread,
            loss=self.result.loss,
            chance_loss=self.chance_loss,
            roc_auc=self.roc_auc,
            epochs_done=epochs_done,
            epochs=epochs,
        )


def validate(
    embedder: Embedder, val: Split, pairs: PairSet, metrics: Mapping[str, Metric]
) -> Validation:
    """Score the pairs of val with the network as it is.

    Args:
        embedder: of val's images.
        val: the split.
        pairs: of its table.
        metrics: what is measured, by name.
    """
    loss = embedder.network.loss
    scored = score_pairs(embedder, pairs, val.table.identities)
    labelled = LabelledScores.of_pairs(scored.scores, pairs, val.table.identities)
    result, roc = evaluate_scores(labelled, metrics, loss=scored.loss), labelled.roc()
    return Validation(
        result,
        None if roc.missing else roc.area,
        training_health(
            scored.embeddings, scored.scores, pairs.same, impostor_margin=loss.impostor_margin()
        ),
        loss.chance_loss(result.genuine / result.pairs) if result.pairs else None,
    )
