"""A study whose ranges do not depend on each other, for what Optuna says of it afterwards."""

import warnings
from collections.abc import Iterator

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from facesim.tuning.space import Parameter, Range
from facesim.tuning.study import Plan


def independent_ranges(plan: Plan, study: optuna.Study) -> optuna.Study:
    """The completed trials, as if each parameter had been drawn from its whole range.

    A bound that follows another parameter gives each trial a range of its own; importances would
    be computed for each of these ranges by itself, from very few trials.
    """
    whole = dict(_distributions(plan.space.parameters))
    copy = optuna.create_study(directions=study.directions)
    complete = (optuna.trial.TrialState.COMPLETE,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a range that its step does not divide
        for trial in study.get_trials(deepcopy=False, states=complete):
            copy.add_trial(
                optuna.create_trial(
                    params=trial.params,
                    distributions={name: whole[name] for name in trial.params},
                    values=trial.values,
                )
            )
    return copy


def _distributions(parameters: tuple[Parameter, ...]) -> Iterator[tuple[str, BaseDistribution]]:
    for parameter in parameters:
        if isinstance(parameter, Range):
            yield parameter.name, _whole_range(parameter)
            continue
        yield parameter.name, CategoricalDistribution([each.label for each in parameter.options])
        for option in parameter.options:
            yield from _distributions(option.parameters)


def _whole_range(range_: Range) -> BaseDistribution:
    given = range_.distribution
    low, high = given.bounds
    if given.kind == "float":
        return FloatDistribution(low, high, log=given.log, step=given.step)
    return IntDistribution(int(low), int(high), log=given.log, step=int(given.step or 1))
