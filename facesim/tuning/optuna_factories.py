"""Optuna's samplers and pruners by name, with the arguments that an experiment gives."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna import pruners, samplers

from facesim.errors import FacesimError, did_you_mean
from facesim.experiment.search import Choosable

SAMPLERS: dict[str, Callable[..., samplers.BaseSampler]] = {
    "cmaes": samplers.CmaEsSampler,
    "gp": samplers.GPSampler,
    "nsgaii": samplers.NSGAIISampler,
    "nsgaiii": samplers.NSGAIIISampler,
    "qmc": samplers.QMCSampler,
    "random": samplers.RandomSampler,
    "tpe": samplers.TPESampler,
}
PRUNERS: dict[str, Callable[..., pruners.BasePruner]] = {
    "hyperband": pruners.HyperbandPruner,
    "median": pruners.MedianPruner,
    "none": pruners.NopPruner,
    "percentile": pruners.PercentilePruner,
    "successive_halving": pruners.SuccessiveHalvingPruner,
    "threshold": pruners.ThresholdPruner,
}


def make_sampler(chosen: Choosable, seed: int) -> samplers.BaseSampler:
    """The sampler that an experiment names.

    Args:
        chosen: a name, or a mapping of ``name:`` and arguments of Optuna's.
        seed: of what it draws; a ``seed:`` among the arguments takes precedence.

    Raises:
        FacesimError: there is none of that name, or an argument is unknown or wrong.
    """
    made: samplers.BaseSampler = _make("sampler", SAMPLERS, chosen, {"seed": seed % 2**32})
    return made


def make_pruner(chosen: Choosable, epochs: int) -> pruners.BasePruner:
    """The pruner that an experiment names.

    Args:
        chosen: a name, or a mapping of ``name:`` and arguments of Optuna's.
        epochs: the most that a trial takes; what Hyperband divides among its brackets.

    Raises:
        FacesimError: there is none of that name, or an argument is unknown or wrong.
    """
    made: pruners.BasePruner = _make("pruner", PRUNERS, chosen, {"max_resource": epochs})
    return made


def _make(
    kind: str, known: dict[str, Callable[..., Any]], chosen: Choosable, defaults: dict[str, Any]
) -> Any:
    given = {"name": chosen} if isinstance(chosen, str) else dict(chosen)
    name = given.pop("name", None)
    if name not in known:
        raise FacesimError(
            f"search.{kind}: there is no {name!r}{did_you_mean(str(name), list(known))}; known are "
            f"{', '.join(known)}"
        )
    accepted = [each for each in inspect.signature(known[name]).parameters if each != "self"]
    for argument in given:
        if argument not in accepted:
            raise FacesimError(
                f"search.{kind}: {name} has no {argument!r}{did_you_mean(argument, accepted)}; "
                f"it has {', '.join(accepted) or 'no arguments'}"
            )
    fitting = {key: value for key, value in defaults.items() if key in accepted}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return known[name](**{**fitting, **given})
    except (TypeError, ValueError, ImportError) as error:
        raise FacesimError(f"search.{kind}: {name}: {error}") from None
