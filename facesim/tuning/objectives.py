"""What a search makes large or small, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facesim.errors import FacesimError, did_you_mean
from facesim.evaluation.metrics import METRICS, Metric, metric_named

VAL, COST = "val", "cost"
COSTS = {
    "milliseconds_per_image": Metric("milliseconds_per_image", higher_is_better=False),
    "parameters": Metric("parameters", higher_is_better=False),
}
"""What a trained system costs to use; `facesim.tuning.costs` measures it."""


@dataclass(frozen=True)
class Objective:
    """A number that a study looks for the best of.

    Attributes:
        source: ``val`` for a metric of the validation split, ``cost`` for a cost.
        metric: which, with its direction.
    """

    source: str
    metric: Metric

    @property
    def name(self) -> str:
        """``val.accuracy``, as the experiment file writes it."""
        return f"{self.source}.{self.metric.name}"


def objectives_named(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of a search.

    Raises:
        FacesimError: there is none of a name, or one is named twice.
    """
    if len(set(names)) != len(names):
        raise FacesimError(f"search.metric names one twice: {', '.join(names)}")
    return tuple(_objective(name) for name in names)


def values_of(
    objectives: Sequence[Objective], values: Mapping[str, float | None]
) -> list[float] | None:
    """The objectives' values from numbers by name; None where one of them does not exist."""
    found = [values.get(objective.name) for objective in objectives]
    there = [value for value in found if value is not None]
    return there if len(there) == len(found) else None


def _objective(name: str) -> Objective:
    source, _, rest = name.partition(".")
    if source == VAL and rest:
        return Objective(VAL, metric_named(rest))
    if source == COST and rest in COSTS:
        return Objective(COST, COSTS[rest])
    if source == "test":
        raise FacesimError(
            f"search.metric: {name}: a search that looks at test leaves nothing to measure its "
            f"winner on; write {VAL}.{rest}"
        )
    known = [f"{VAL}.{metric}" for metric in METRICS] + [f"{COST}.{cost}" for cost in COSTS]
    raise FacesimError(
        f"search.metric: there is no {name!r}{did_you_mean(name, known)}; known are "
        f"{', '.join(known)}"
    )
