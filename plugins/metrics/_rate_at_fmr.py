"""A rate of genuine pairs where the FMR is at a target, on the ROC's own curve."""

from facesim import (
    CurvePoint,
    Metric,
    Roc,
    not_measurable_reason,
    rate_name,
    target_point,
)


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
        """The target must allow one false match at least."""
        return roc.missing or not_measurable_reason(self.target, roc.impostor)

    def point(self, roc: Roc) -> CurvePoint:
        """Where it is read."""
        return target_point(roc, self.target)
