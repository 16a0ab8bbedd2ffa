"""Objectives of a search: metrics of the validation split, costs of use, their importances."""

import math
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import torch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from facesim.errors import FacesimError, did_you_mean
from facesim.experiment.measured_metrics import quantity_named
from facesim.experiment.schema import Experiment
from facesim.interfaces import metrics
from facesim.interfaces.metric import MeanLoss, Quantity
from facesim.model.network import NetworkInput, SiameseNetwork
from facesim.page import Axis, Panel, Plot, Series, Table, Text
from facesim.training.build import RunComponents
from facesim.tuning.space import Parameter, Range, Space, walk

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


_FEWEST = 4


def importances_plot(
    space: Space, study: optuna.Study, objective: Objective, index: int
) -> Plot | Text:
    """The importances for one objective by PED-ANOVA, or why there are none.

    Watanabe et al., "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", IJCAI 2023.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST:
        return Text(f"Importances need {_FEWEST} completed trials or more.", tone="note")
    sign = -1 if objective.metric.higher_is_better else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few trials make them rough is said below
        found = get_param_importances(
            independent_ranges(space, study),
            evaluator=PedAnovaImportanceEvaluator(),
            target=lambda trial: sign * trial.values[index],  # it looks for the smallest values
        )
    shares = sorted(found.items(), key=lambda item: -item[1])
    panel = Panel(
        Axis(f"Importance for {objective.name}", "percent", low=0.0),
        Axis("", names=tuple(name for name, _ in shares)),
        (
            Series(
                "",
                tuple(share for _, share in shares),
                tuple(range(len(shares))),
                marks=("bars",),
                tips=tuple(f"{name}: {share:.1%}" for name, share in shares),
            ),
        ),
        height=28 * max(len(shares), 3),
    )
    return Plot(
        f"importances-{objective.metric.name.replace('_', '-')}",
        f"Importances for {objective.name}",
        "How much each parameter decides whether a trial is among the best tenth, by PED-ANOVA; "
        "the shares add up to one. With few trials they are rough.",
        (panel,),
        Table(
            "Importances",
            ("Parameter", "Share"),
            tuple((name, f"{share:.1%}") for name, share in shares),
        ),
    )


def independent_ranges(space: Space, study: optuna.Study) -> optuna.Study:
    """A copy of the completed trials, as if each parameter had been drawn from its whole range.

    A bound that follows another parameter gives each trial a range of its own; importances would
    be computed per such range, each from very few trials.
    """
    whole = {parameter.name: _whole_range(parameter) for parameter in walk(space.parameters)}
    copy = optuna.create_study(directions=study.directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a range that its step does not divide
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            copy.add_trial(
                optuna.create_trial(
                    params=trial.params,
                    distributions={name: whole[name] for name in trial.params},
                    values=trial.values,
                )
            )
    return copy


def _whole_range(parameter: Parameter) -> BaseDistribution:
    if not isinstance(parameter, Range):
        return CategoricalDistribution([option.label for option in parameter.options])
    given = parameter.distribution
    low, high = given.bounds
    if given.kind == "float":
        return FloatDistribution(low, high, log=given.log, step=given.step)
    return IntDistribution(int(low), int(high), log=given.log, step=int(given.step or 1))
