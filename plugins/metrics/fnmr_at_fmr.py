"""FNMR at FMR: the points of TAR at FAR, as NIST states them."""

from typing import Annotated

from pydantic import Field

from facesim import (
    FMR_TARGETS,
    CurvePoint,
    Metric,
    Roc,
    metrics,
    not_measurable_reason,
    rate_name,
    tar_at_fmr,
    target_point,
)


class FnmrAtFmr(Metric):
    """The smallest FNMR whose FMR is at or below a target: ``1 - TAR at FAR``.

    Args:
        target: the FMR.
    """

    higher_is_better = False

    def __init__(self, target: float) -> None:
        self.target = target
        self.label = f"FNMR at FMR {rate_name(target)}"
        self.name = f"fnmr_at_fmr_{rate_name(target)}"

    def value(self, roc: Roc, threshold: float) -> float:
        """Read on these very pairs, at a threshold of their own."""
        return tar_at_fmr(roc, self.target).fnmr

    def undefined_reason(self, roc: Roc) -> str | None:
        """The target must allow one false match at least."""
        return roc.missing or not_measurable_reason(self.target, roc.impostor)

    def point(self, roc: Roc) -> CurvePoint:
        """Where it is read."""
        return target_point(roc, self.target)


@metrics("fnmr_at_fmr")
def fnmr_at_fmr(*, fmr: Annotated[float, Field(gt=0, lt=1, description="the target")]) -> Metric:
    """The smallest FNMR whose FMR is at or below a target; ``fnmr_at_fmr_5e-3`` in results."""
    return FnmrAtFmr(fmr)


def _register(target: float) -> None:
    @metrics(f"fnmr_at_fmr_{rate_name(target)}")
    def at_target() -> Metric:
        """The smallest FNMR whose FMR is at or below the target in the name."""
        return FnmrAtFmr(target)


for _target in FMR_TARGETS:
    _register(_target)
