"""TAR at FAR: the true accept rate at a target false match rate."""

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


class TarAtFar(Metric):
    """The largest TAR whose FMR is at or below a target, as face papers report it.

    Args:
        target: the FMR.
    """

    standard = True

    def __init__(self, target: float) -> None:
        self.target = target
        self.label = f"TAR at FAR {rate_name(target)}"
        self.name = f"tar_at_far_{rate_name(target)}"

    def value(self, roc: Roc, threshold: float) -> float:
        """Read on these very pairs, at a threshold of their own."""
        return tar_at_fmr(roc, self.target).tar

    def undefined_reason(self, roc: Roc) -> str | None:
        """The target must allow one false match at least."""
        return roc.missing or not_measurable_reason(self.target, roc.impostor)

    def point(self, roc: Roc) -> CurvePoint:
        """Where it is read."""
        return target_point(roc, self.target)


@metrics("tar_at_far")
def tar_at_far(*, far: Annotated[float, Field(gt=0, lt=1, description="the target")]) -> Metric:
    """The largest TAR whose FMR is at or below a target; ``tar_at_far_5e-3`` in results."""
    return TarAtFar(far)


def _register(target: float) -> None:
    @metrics(f"tar_at_far_{rate_name(target)}")
    def at_target() -> Metric:
        """The largest TAR whose FMR is at or below the target in the name."""
        return TarAtFar(target)


for _target in FMR_TARGETS:
    _register(_target)
