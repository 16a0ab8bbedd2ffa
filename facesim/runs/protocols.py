"""The protocols: which pairs of test are compared, and what is said about them."""

from dataclasses import dataclass

import numpy as np

from facesim.evaluation.all_pairs import evaluate_all_pairs
from facesim.evaluation.calibration import Calibration
from facesim.evaluation.evaluate_scores import evaluate_scores
from facesim.evaluation.k_fold import k_fold_accuracy
from facesim.evaluation.pair_identities import effective_pair_identities
from facesim.evaluation.result import EvaluationResult
from facesim.evaluation.scoring import ScoredPairs
from facesim.interfaces import PairSet
from facesim.runs.evaluation_plan import EvaluationPlan
from facesim.runs.scorer import Evaluator
from facesim.seeds import derive_seed
from facesim.training.build import Split


@dataclass(frozen=True)
class EvaluationOutcome:
    """What an evaluation found on test.

    Attributes:
        test: the split.
        result: the figures.
        scored: the pairs with their scores; None if all pairs of the table were compared, which
            are too many to be kept.
    """

    test: Split
    result: EvaluationResult
    scored: ScoredPairs | None


def measure(
    plan: EvaluationPlan,
    test: Split,
    pairs: PairSet | None,
    calibration: Calibration,
    scorer: Evaluator,
) -> EvaluationOutcome:
    """Compare pairs of test, and apply the thresholds that were chosen on val.

    Args:
        plan: what is evaluated.
        test: the split.
        pairs: those to compare; None for all.
        calibration: the thresholds.
        scorer: the trained network.

    Raises:
        FacesimError: an image cannot be used, or a score is NaN or infinite.
    """
    if pairs is None:
        return EvaluationOutcome(test, _measure_all(plan, test, calibration, scorer), None)
    scored = scorer.score(test, pairs)
    result = evaluate_scores(
        scored.scores,
        pairs.same,
        *effective_pair_identities(pairs, test.table.identities),
        operating_points=calibration.operating_points,
        threshold_source=_source(plan, calibration),
        loss=scored.loss,
        seed=_seed(plan),
        resamples=plan.experiment.evaluate.resamples,
    )
    if plan.experiment.evaluate.protocol == "k_fold" and pairs.fold is not None:
        folds = k_fold_accuracy(scored.scores, pairs.same, pairs.fold)
        result = result.model_copy(update={"protocol": "k_fold", "k_fold": folds})
    return EvaluationOutcome(test, result, scored)


def _measure_all(
    plan: EvaluationPlan, test: Split, calibration: Calibration, scorer: Evaluator
) -> EvaluationResult:
    embeddings = scorer.embed(test, np.arange(len(test.table)))
    return evaluate_all_pairs(
        embeddings.to(scorer.network.device),
        test.table.identities,
        scorer.network.loss.score,
        operating_points=calibration.operating_points,
        threshold_source=_source(plan, calibration),
        seed=_seed(plan),
        resamples=plan.experiment.evaluate.resamples,
    )


def _source(plan: EvaluationPlan, calibration: Calibration) -> str:
    return f"{calibration.pairs:,} pairs of val, checkpoint {plan.checkpoint}"


def _seed(plan: EvaluationPlan) -> int:
    return derive_seed(plan.experiment.seed, "bootstrap")
