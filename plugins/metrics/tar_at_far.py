"""TAR at FAR: the true accept rate at a target false match rate."""

from typing import Annotated

from pydantic import Field

from facesim import (
    FMR_TARGETS,
    FloatArray,
    Metric,
    RateAtFmr,
    Roc,
    RocBlock,
    metrics,
    rate_name,
    tar_at_fmr,
    tars_at_fmr,
)


class TarAtFar(RateAtFmr):
    """The largest TAR whose FMR is at or below a target, as face papers report it.

    Args:
        target: the FMR.
    """

    standard = True

    def __init__(self, target: float) -> None:
        super().__init__(target, "tar_at_far", "TAR at FAR")

    def value(self, roc: Roc, threshold: float) -> float:
        """Read on these very pairs, at a threshold of their own."""
        return tar_at_fmr(roc, self.target).tar

    def values(self, curves: RocBlock, thresholds: FloatArray) -> FloatArray:
        """The same of each curve."""
        return tars_at_fmr(curves, self.target)


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
