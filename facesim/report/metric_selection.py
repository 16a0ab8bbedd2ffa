"""Selection of metrics: the headline, TAR and FNMR at target FMRs."""

from collections.abc import Mapping

from facesim.interfaces.metric import Metric
from facesim.interfaces.result import Estimate, EvaluationResult


def headline_metrics(result: EvaluationResult, metrics: Mapping[str, Metric]) -> list[Metric]:
    """The metrics of a result that are for the first page, in the order of the experiment."""
    return [each for name, each in metrics.items() if each.headline and name in result.metrics]


def accept_rates(
    result: EvaluationResult, metrics: Mapping[str, Metric]
) -> list[tuple[float, Estimate]]:
    """The TAR at each target FMR, the largest target first.

    Any metric may be read at a target FMR; it is the TAR if it has the TAR's value and direction.
    """
    found = [
        (each.point.target, each)
        for name, each in result.metrics.items()
        if name in metrics
        and metrics[name].higher_is_better
        and each.point is not None
        and each.point.target is not None
        and each.value in (None, each.point.tar)
    ]
    return sorted(found, key=lambda at: -at[0])


def complement(rate: Estimate) -> Estimate:
    """The estimate of ``1 - rate``: FNMR from TAR."""
    ends = (None if end is None else 1 - end for end in (rate.value, rate.high, rate.low))
    value, low, high = ends
    return rate.model_copy(update={"value": value, "low": low, "high": high})
