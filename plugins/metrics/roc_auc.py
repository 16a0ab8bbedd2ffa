"""Area under the ROC curve."""

from facesim import FloatArray, Metric, Roc, RocBlock, metrics


@metrics("roc_auc")
class RocAuc(Metric):
    """Area under the ROC curve: the chance that a genuine pair outscores an impostor pair.

    A tie counts half. Hanley and McNeil, "The meaning and use of the area under a receiver
    operating characteristic (ROC) curve", 1982.
    """

    label = "ROC AUC"
    unit = "number"
    headline = True
    standard = True

    def value(self, roc: Roc, threshold: float) -> float:
        """By the trapezoidal rule, exact for a curve of steps and ties."""
        return roc.area

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return curves.areas()
