"""Rates of genuine pairs where the FMR is at a target, on the ROC's own curve."""

from facesim.arrays import FloatArray
from facesim.interfaces.fmr_support import not_measurable_reason
from facesim.interfaces.metric import Metric
from facesim.interfaces.result import CurvePoint, rate_name
from facesim.interfaces.roc import Roc
from facesim.interfaces.roc_block import RocBlock
from facesim.interfaces.roc_points import tar_at_fmr, target_point, tars_at_fmr


class RateAtFmr(Metric):
    """A rate at the smallest threshold whose FMR is at or below a target.

    Args:
        target: the FMR.
        name: of the metric without its target.
        label: the same for people.
    """

    def __init__(self, target: float, name: str, label: str) -> None:
        self.target = target
        self.name = f"{name}_{rate_name(target)}"
        self.label = f"{label} {rate_name(target)}"

    def undefined_reason(self, roc: Roc) -> str | None:
        """The target must allow three false matches at least."""
        return roc.missing or not_measurable_reason(self.target, roc.impostor)

    def point(self, roc: Roc) -> CurvePoint:
        """Where it is read."""
        return target_point(roc, self.target)


class FnmrAtFmr(RateAtFmr):
    """The smallest FNMR whose FMR is at or below a target: ``1 - TAR at FAR``.

    Args:
        target: the FMR.
    """

    higher_is_better = False

    def __init__(self, target: float) -> None:
        super().__init__(target, "fnmr_at_fmr", "FNMR at FMR")

    def value(self, roc: Roc, threshold: float) -> float:  # noqa: ARG002
        """Read on these very pairs, at a threshold of their own."""
        return tar_at_fmr(roc, self.target).fnmr

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:  # noqa: ARG002
        """The same of each curve."""
        return 1.0 - tars_at_fmr(curves, self.target)
