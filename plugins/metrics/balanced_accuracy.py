"""Balanced accuracy at the threshold from val."""

from facesim import FloatArray, Metric, Roc, RocBlock, metrics


@metrics("balanced_accuracy")
class BalancedAccuracy(Metric):
    """Mean share of correct decisions over genuine and over impostor pairs.

    Unlike the accuracy it does not depend on the share of genuine pairs.
    """

    label = "Balanced accuracy"
    at_threshold = True
    headline = True
    standard = True

    def value(self, roc: Roc, threshold: float) -> float:
        """``(1 - FNMR + 1 - FMR) / 2``."""
        return roc.at(threshold).balanced_accuracy

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return curves.at(thresholds).balanced_accuracy
