"""Objectives of a search: metrics of the validation split, and what a system costs to use."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from facesim.errors import FacesimError, did_you_mean
from facesim.experiment.measured_metrics import quantity_named
from facesim.experiment.schema import Experiment
from facesim.interfaces import metrics
from facesim.interfaces.metric import MeanLoss, Quantity
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.training.build import RunComponents

VAL, COST = "val", "cost"


class MillisecondsPerImage(Quantity):
    """Time to embed an image."""

    name = "milliseconds_per_image"
    label = "Milliseconds per image"
    higher_is_better = False


class Parameters(Quantity):
    """Number of parameters of the network."""

    name = "parameters"
    label = "Parameters"
    higher_is_better = False


COSTS: dict[str, Quantity] = {each.name: each for each in (MillisecondsPerImage(), Parameters())}
"""What `costs_of` measures."""

_PASSES = 5


@dataclass(frozen=True)
class Objective:
    """A number that a study maximises or minimises.

    Attributes:
        source: ``val`` for a metric of the validation split, ``cost`` for a cost.
        metric: which, with its direction.
    """

    source: str
    metric: Quantity

    @property
    def name(self) -> str:
        """``val.accuracy``, as the experiment file writes it."""
        return f"{self.source}.{self.metric.name}"


def objectives_named(names: Sequence[str], experiment: Experiment) -> tuple[Objective, ...]:
    """The objectives of a search.

    Raises:
        FacesimError: there is none of a name, or one is named twice.
    """
    if len(set(names)) != len(names):
        raise FacesimError(f"search.metric names one twice: {', '.join(names)}")
    return tuple(_objective(name, experiment) for name in names)


def values_of(
    objectives: Sequence[Objective], values: Mapping[str, float | None]
) -> list[float] | None:
    """The objectives' values from numbers by name; None where one of them does not exist."""
    found = [values.get(objective.name) for objective in objectives]
    there = [value for value in found if value is not None and not math.isnan(value)]
    return there if len(there) == len(found) else None


def by_current_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """What an older facesim measured, under the names that its metrics have now."""
    renamed = {alias: plugin.name for plugin in metrics for alias in plugin.aliases}
    return {renamed.get(name, name): value for name, value in values.items()}


def costs_of(components: RunComponents, names: set[str]) -> dict[str, float]:
    """The costs of these names, each under ``cost.NAME``."""
    measured: dict[str, float] = {}
    if "parameters" in names:
        parameters = components.network.parameters()
        measured["cost.parameters"] = float(sum(each.numel() for each in parameters))
    if "milliseconds_per_image" in names:
        took = milliseconds_per_image(components.network, components.experiment)
        measured["cost.milliseconds_per_image"] = took
    return measured


def milliseconds_per_image(network: SiameseNetwork, experiment: Experiment) -> float:
    """Time of one image from pixels to embedding, in batches of the size that evaluation uses.

    The median of several passes over one batch of noise, after one that does not count. Other
    work on the machine makes it larger.
    """
    batch = experiment.evaluate.batch_size
    noise = torch.randint(0, 256, (batch, 3, *experiment.image.size), dtype=torch.uint8)
    images = NetworkInput(noise, "pixels").to(network.device)
    was_training = network.training
    network.eval()
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + _PASSES):
            began = time.perf_counter()
            network(images).embeddings.sum().item()  # reading a number waits for the device
            seconds.append(time.perf_counter() - began)
    network.train(was_training)
    return 1000 * statistics.median(seconds[1:]) / batch


def _objective(name: str, experiment: Experiment) -> Objective:
    source, _, rest = name.partition(".")
    if source == VAL and rest:
        return Objective(VAL, quantity_named(experiment, rest))
    if source == COST and rest in COSTS:
        return Objective(COST, COSTS[rest])
    if source == "test":
        raise FacesimError(
            f"search.metric: {name}: a search that looks at test leaves nothing to measure its "
            f"winner on; write {VAL}.{rest}"
        )
    known = [f"{VAL}.{name}" for name in (MeanLoss.name, *metrics.names())]
    known += [f"{COST}.{cost}" for cost in COSTS]
    raise FacesimError(
        f"search.metric: there is no {name!r}{did_you_mean(name, known)}; known are "
        f"{', '.join(known)}"
    )
