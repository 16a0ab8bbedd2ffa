"""FNMR at FMR: the points of TAR at FAR, as NIST states them."""

from typing import Annotated

from pydantic import Field

from facesim import FMR_TARGETS, FnmrAtFmr, Metric, metrics, rate_name


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
