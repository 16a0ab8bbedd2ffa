"""Cross-validated accuracy: each fold with the threshold that the other folds choose."""

import math
from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt

from facesim import (
    Card,
    Comparisons,
    EvaluationResult,
    Evaluator,
    FacesimError,
    FaceTable,
    Int64Array,
    LabelledScores,
    Measurement,
    PairSet,
    Protocol,
    ProtocolReport,
    Roc,
    Section,
    System,
    Table,
    Text,
    protocols,
)


@protocols("k_fold")
class KFold(Protocol):
    """Compare a list of pairs in folds, each fold also with the threshold of the others.

    As LFW's View 2 has it: Huang et al., "Labeled Faces in the Wild", 2007. All other metrics are
    with the thresholds that val chose.
    """

    def plan(self, table: FaceTable, listed_pairs: Callable[[], PairSet], seed: int) -> Comparisons:
        """The listed pairs, which must come in folds."""
        pairs = listed_pairs()
        _folds(pairs)
        return Comparisons(pairs)

    def measure(
        self, comparisons: Comparisons, table: FaceTable, system: System, evaluator: Evaluator
    ) -> Measurement:
        """Score each pair once; folds differ in thresholds alone."""
        pairs = comparisons.pair_list
        scored = system.score_pairs(pairs)
        labelled = LabelledScores.of_pairs(scored.scores, pairs, table.identities)
        result = evaluator.evaluate(labelled, scored.loss)
        details = k_fold_accuracy(labelled, _folds(pairs)).model_dump(mode="json")
        return Measurement(result.model_copy(update={"details": details}), scored)

    def report(self, result: EvaluationResult) -> ProtocolReport:
        """The mean accuracy as a card, and a table of the folds."""
        found = KFoldAccuracy.model_validate(result.details)
        mean, error = f"{found.mean_accuracy:.2%}", f"{found.standard_error:.2%}"
        card = Card(f"Accuracy over {len(found.folds)} folds", mean, f"standard error {error}")
        text = (
            f"The mean accuracy over the {len(found.folds)} folds is {mean} with a standard error "
            f"of {error}. The threshold of each fold is the one of best accuracy on all others."
        )
        rows = tuple(
            (str(each.fold), f"{each.pairs:,}", f"{each.threshold:.4g}", f"{each.accuracy:.2%}")
            for each in found.folds
        )
        table = Table("Accuracy by fold", ("Fold", "Pairs", "Threshold", "Accuracy"), rows)
        return ProtocolReport((card,), (Section("folds", "Folds", (Text(text), table)),))


class Fold(BaseModel):
    """One fold.

    Attributes:
        fold: its number in the list of pairs.
        pairs: how many it holds.
        threshold: of best accuracy on all other folds.
        accuracy: on this fold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fold: int
    pairs: PositiveInt
    threshold: FiniteFloat
    accuracy: FiniteFloat


class KFoldAccuracy(BaseModel):
    """The accuracy of a k-fold protocol.

    Attributes:
        folds: one entry per fold, in the order of their numbers.
        mean_accuracy: mean over the folds.
        standard_error: of that mean: ``std(ddof=1) / sqrt(k)`` of the folds' accuracies. It takes
            the folds for independent, though they share their thresholds' pairs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folds: tuple[Fold, ...]
    mean_accuracy: FiniteFloat
    standard_error: FiniteFloat


def _folds(pairs: PairSet) -> Int64Array:
    """The fold of each pair, int64 [P], of two or more folds."""
    if pairs.fold is None or len(np.unique(pairs.fold)) < 2:
        raise FacesimError(
            "evaluate.protocol: k_fold needs pairs in two folds or more, and those of test have "
            f"{'none' if pairs.fold is None else 'one'}; list them in evaluate.test_pairs with a "
            "column `fold`, use a dataset that has folds, or write `protocol: pairs`"
        )
    return pairs.fold


def k_fold_accuracy(scored: LabelledScores, folds: Int64Array) -> KFoldAccuracy:
    """Mean accuracy over folds.

    Args:
        scored: P pairs.
        folds: int64 [P], the fold of each pair, of two or more.

    Raises:
        FacesimError: lengths differ, or there are fewer than two folds.
    """
    if folds.shape != scored.scores.shape:
        raise FacesimError(f"{folds.size} fold numbers for {len(scored)} pairs")
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise FacesimError(
            f"k-fold evaluation needs two folds or more, and the pairs have {len(numbers)}"
        )
    results = tuple(_fold(int(number), scored, folds) for number in numbers)
    accuracies = np.array([result.accuracy for result in results])
    return KFoldAccuracy(
        folds=results,
        mean_accuracy=float(accuracies.mean()),
        standard_error=float(accuracies.std(ddof=1)) / math.sqrt(len(results)),
    )


def _fold(number: int, scored: LabelledScores, folds: Int64Array) -> Fold:
    inside = folds == number
    others = Roc.of_scores(scored.scores[~inside], scored.same[~inside])
    threshold = others.threshold_at(others.best_accuracy_point())
    accuracy = Roc.of_scores(scored.scores[inside], scored.same[inside]).at(threshold).accuracy
    return Fold(fold=number, pairs=int(inside.sum()), threshold=threshold, accuracy=accuracy)
