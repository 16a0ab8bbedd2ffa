"""Accuracy at the threshold from val."""

from facesim import FloatArray, Metric, Roc, RocBlock, metrics


@metrics("accuracy", default=True)
class Accuracy(Metric):
    """Share of all pairs that the threshold from val decides correctly.

    It depends on the share of genuine pairs: compare it on sets of the same share only.
    """

    label = "Accuracy"
    at_threshold = True
    depends_on_shares = True
    headline = True
    standard = True

    def value(self, roc: Roc, threshold: float) -> float:
        """Correct decisions over all pairs."""
        return roc.at(threshold).accuracy

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return curves.at(thresholds).accuracy

    def undefined_reason(self, roc: Roc) -> str | None:
        """One pair of either kind is enough."""
        return None if roc.genuine + roc.impostor else roc.missing

    def trials(self, roc: Roc) -> int:
        """All pairs."""
        return roc.genuine + roc.impostor
