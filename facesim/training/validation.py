"""What val says after an epoch: the figures, the health of the embeddings, and warnings."""

from dataclasses import dataclass

from facesim.evaluation.collapse import collapse_warnings
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.pair_identities import effective_pair_identities
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.scoring import score_pairs
from facesim.evaluation.training_health import TrainingHealth, training_health
from facesim.interfaces import PairSet
from facesim.model.network import SiameseNetwork
from facesim.processes import Processes
from facesim.training.build import Split


@dataclass(frozen=True)
class Validation:
    """The network on val.

    Attributes:
        result: the figures, without intervals.
        health: scores and embeddings.
        chance_loss: what the loss is on these pairs for who knows nothing; None if unknown.
    """

    result: EvaluationResult
    health: TrainingHealth
    chance_loss: float | None

    def warnings(self, epochs_done: int, epochs: int) -> tuple[str, ...]:
        """Signs that the training has failed, after so many of its epochs."""
        return collapse_warnings(
            self.health.spread,
            loss=self.result.loss,
            chance_loss=self.chance_loss,
            roc_auc=self.result.roc_auc.value,
            epochs_done=epochs_done,
            epochs=epochs,
        )


def validate(
    network: SiameseNetwork,
    val: Split,
    pairs: PairSet,
    *,
    batch_size: int,
    processes: Processes,
) -> Validation:
    """Score the pairs of val with the network as it is.

    Args:
        network: left in the mode in which it came.
        val: the split.
        pairs: of its table.
        batch_size: images embedded at a time.
        processes: show the progress.
    """
    scored = score_pairs(
        network,
        val.inputs,
        val.table,
        pairs,
        batch_size=batch_size,
        processes=processes,
        title="validating",
    )
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
