"""Cross-validated accuracy: each fold with the threshold that the other folds choose."""

import math

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt

from facesim.arrays import BoolArray, FloatArray
from facesim.errors import FacesimError
from facesim.evaluation.roc import Roc, checked_scores


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


def k_fold_accuracy(
    scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike
) -> KFoldAccuracy:
    """Mean accuracy over folds, as LFW's View 2 has it.

    Huang et al., "Labeled Faces in the Wild", 2007.

    Args:
        scores: float [P], higher is more alike.
        same: bool [P], True for genuine pairs.
        folds: int [P], the fold of each pair, of two or more.

    Raises:
        FacesimError: lengths differ, a score is NaN or infinite, or there are fewer than two folds.
    """
    checked, genuine = checked_scores(scores, same)
    of_pair = np.asarray(folds, np.int64)
    if of_pair.shape != checked.shape:
        raise FacesimError(f"{of_pair.size} fold numbers for {checked.size} pairs")
    numbers = np.unique(of_pair)
    if len(numbers) < 2:
        raise FacesimError(
            f"k-fold evaluation needs two folds or more, and the pairs have {len(numbers)}; "
            "give the list of pairs a column `fold`"
        )
    results = tuple(_fold(int(number), checked, genuine, of_pair == number) for number in numbers)
    accuracies = np.array([result.accuracy for result in results])
    return KFoldAccuracy(
        folds=results,
        mean_accuracy=float(accuracies.mean()),
        standard_error=float(accuracies.std(ddof=1)) / math.sqrt(len(results)),
    )


def _fold(number: int, scores: FloatArray, same: BoolArray, inside: BoolArray) -> Fold:
    others = Roc.of_scores(scores[~inside], same[~inside])
    threshold = others.threshold_at(others.best_accuracy_point())
    accuracy = Roc.of_scores(scores[inside], same[inside]).at(threshold).accuracy
    return Fold(fold=number, pairs=int(inside.sum()), threshold=threshold, accuracy=accuracy)
