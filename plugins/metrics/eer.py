"""Equal error rate."""

import math

from facesim import (
    CurvePoint,
    FloatArray,
    Metric,
    Roc,
    RocBlock,
    equal_error_rate,
    equal_error_rates,
    metrics,
)


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

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return equal_error_rates(curves)[0]

    def point(self, roc: Roc) -> CurvePoint:
        """The nearest point, on these very pairs."""
        nearest = equal_error_rate(roc).threshold
        return CurvePoint(threshold=None if math.isnan(nearest) else nearest)
