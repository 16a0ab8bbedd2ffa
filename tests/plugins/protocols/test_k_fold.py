from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from facesim import (
    Card,
    EvaluationResult,
    FacesimError,
    FaceTable,
    LabelledScores,
    PairSet,
    ProtocolReport,
    Section,
    Table,
    Text,
)
from facesim_plugins.protocols.k_fold import KFold, KFoldAccuracy, k_fold_accuracy


def scored(scores: npt.ArrayLike, same: npt.ArrayLike) -> LabelledScores:
    kinds = np.asarray(same, bool)
    first = np.arange(len(kinds))
    return LabelledScores.of(scores, kinds, first, np.where(kinds, first, first + 1))


def test_each_fold_is_judged_by_the_threshold_of_the_others() -> None:
    # Fold 0 alone would put its threshold at 0.75; folds 1 and 2 put it at 0.5.
    scores = [0.9, 0.6, 0.8, 0.2, 0.8, 0.2]
    same = [True, False] * 3
    result = k_fold_accuracy(scored(scores, same), np.array([0, 0, 1, 1, 2, 2]))
    assert result.folds[0].threshold == pytest.approx(0.5)
    assert result.folds[1].threshold == pytest.approx(0.7)
    assert [fold.accuracy for fold in result.folds] == [0.5, 1.0, 1.0]
    assert result.mean_accuracy == pytest.approx(5 / 6)
    assert result.standard_error == pytest.approx(np.std([0.5, 1, 1], ddof=1) / np.sqrt(3))


def test_ten_folds_agree_with_a_naive_search_of_thresholds() -> None:
    generator = np.random.default_rng(0)
    same = generator.random(300) < 0.5
    scores, folds = generator.normal(size=300) + same, np.arange(300) % 10
    for fold in k_fold_accuracy(scored(scores, same), folds).folds:
        others = folds != fold.fold
        best = max(((scores[others] >= t) == same[others]).mean() for t in scores[others])
        chosen = ((scores[others] >= fold.threshold) == same[others]).mean()
        assert chosen == best
        inside = ~others
        assert fold.accuracy == ((scores[inside] >= fold.threshold) == same[inside]).mean()


def test_one_fold_is_refused() -> None:
    with pytest.raises(FacesimError, match="needs two folds or more, and the pairs have 1"):
        k_fold_accuracy(scored([0.1, 0.2], [True, False]), np.array([3, 3]))


def test_every_pair_needs_a_fold() -> None:
    with pytest.raises(FacesimError, match="1 fold numbers for 2 pairs"):
        k_fold_accuracy(scored([0.1, 0.2], [True, False]), np.array([3]))


@pytest.mark.parametrize(("fold", "told"), [(None, "none"), (np.array([4, 4]), "one")])
def test_pairs_without_folds_are_refused_before_anything_is_scored(
    fold: npt.NDArray[np.int64] | None, told: str
) -> None:
    table = FaceTable(Path(), np.array(["a", "b", "c"]), np.array([0, 0, 1]), np.array(["A", "B"]))
    pairs = PairSet(np.array([[0, 1], [0, 2]]), np.array([True, False]), fold=fold)
    with pytest.raises(FacesimError, match=f"those of test have {told}"):
        KFold().plan(table, lambda: pairs, seed=0)


def test_what_was_measured_is_stored_whole_and_read_back_as_it_was() -> None:
    result = k_fold_accuracy(
        scored([0.9, 0.6, 0.8, 0.2], [True, False] * 2), np.array([0, 0, 1, 1])
    )
    stored = result.model_dump(mode="json")
    assert KFoldAccuracy.model_validate(stored) == result
    for wrong in (
        {**stored, "more": 1},
        {**stored, "mean_accuracy": float("inf")},
        {**stored, "folds": [{**stored["folds"][0], "more": 1}]},
        {**stored, "folds": [{**stored["folds"][0], "pairs": 0}]},
    ):
        with pytest.raises(ValidationError):
            KFoldAccuracy.model_validate(wrong)
    for part in (result, result.folds[0]):
        with pytest.raises(ValidationError, match="frozen"):
            part.__setattr__("fold", 3)


def test_the_report_tells_the_mean_its_error_and_every_fold() -> None:
    details = k_fold_accuracy(
        scored([0.9, 0.6, 0.8, 0.2, 0.8, 0.2], [True, False] * 3), np.array([0, 0, 1, 1, 2, 2])
    ).model_dump(mode="json")
    report = KFold().report(EvaluationResult.model_construct(details=details))
    mean, error = "83.33%", "16.67%"
    card = Card("Accuracy over 3 folds", mean, f"standard error {error}")
    text = Text(
        f"The mean accuracy over the 3 folds is {mean} with a standard error of {error}. The "
        "threshold of each fold is the one of best accuracy on all others."
    )
    rows = (
        ("0", "2", "0.5", "50.00%"),
        ("1", "2", "0.7", "100.00%"),
        ("2", "2", "0.7", "100.00%"),
    )
    table = Table("Accuracy by fold", ("Fold", "Pairs", "Threshold", "Accuracy"), rows)
    assert report == ProtocolReport((card,), (Section("folds", "Folds", (text, table)),))
