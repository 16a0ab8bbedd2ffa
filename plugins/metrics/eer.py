"""Equal error rate."""

import math

from facesim import CurvePoint, Metric, Roc, equal_error_rate, metrics


@metrics("eer")
class Eer(Metric):
    """Equal error rate: FMR and FNMR where the two are equal, interpolated."""

    label = "Equal error rate"
    higher_is_better = False
    headline = True
    standard = True

    def value(self, roc: Roc, threshold: float) -> float:
        """On the line between the two points of the curve that enclose it."""
        return equal_error_rate(roc).rate

    def point(self, roc: Roc) -> CurvePoint:
        """The nearest point, on these very pairs."""
        nearest = equal_error_rate(roc).threshold
        return CurvePoint(threshold=None if math.isnan(nearest) else nearest)
