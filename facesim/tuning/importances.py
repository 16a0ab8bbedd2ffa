"""Which parameters decide whether a trial is among the best."""

import warnings

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from facesim.page import Plot, Table, Text
from facesim.report.plots.layout import SERIES, literal, new_plot, style_axes
from facesim.tuning.objectives import Objective
from facesim.tuning.space import Parameter, Range, Space, walk

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
    shares = sorted(found.items(), key=lambda item: item[1])
    plot = new_plot(height=90 + 28 * max(len(shares), 3))
    plot.add_bar(
        x=[share for _, share in shares],
        y=[literal(name) for name, _ in shares],
        orientation="h",
        marker={"color": SERIES[0]},
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    style_axes(plot, f"Importance for {objective.name}", "")
    plot.update_xaxes(tickformat=".0%", rangemode="tozero")
    return Plot(
        f"importances-{objective.metric.name.replace('_', '-')}",
        f"Importances for {objective.name}",
        "How much each parameter decides whether a trial is among the best tenth, by PED-ANOVA; "
        "the shares add up to one. With few trials they are rough.",
        plot,
        Table(
            "Importances",
            ("Parameter", "Share"),
            tuple((name, f"{share:.1%}") for name, share in reversed(shares)),
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
