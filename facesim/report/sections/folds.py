"""The accuracy of a k-fold protocol, fold by fold."""

from facesim.evaluation.k_fold import KFoldAccuracy
from facesim.page import Section, Table, Text
from facesim.report.formatting import number, percent


def folds_section(found: KFoldAccuracy) -> Section:
    """Each fold with the threshold that the others chose."""
    return Section(
        "folds",
        "Folds",
        (
            Text(
                f"The mean accuracy over the {len(found.folds)} folds is "
                f"{percent(found.mean_accuracy)} with a standard error of "
                f"{percent(found.standard_error)}. The threshold of each fold is the one of best "
                "accuracy on all others."
            ),
            Table(
                "Accuracy by fold",
                ("Fold", "Pairs", "Threshold", "Accuracy"),
                tuple(
                    (
                        str(fold.fold),
                        f"{fold.pairs:,}",
                        number(fold.threshold),
                        percent(fold.accuracy),
                    )
                    for fold in found.folds
                ),
            ),
        ),
    )
