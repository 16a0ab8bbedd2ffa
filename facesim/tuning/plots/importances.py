"""Which parameters decide whether a trial is among the best."""

import warnings

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from facesim.page import Plot, Table, Text
from facesim.report.plots.layout import SERIES, literal, new_plot, style_axes
from facesim.tuning.objectives import Objective

_FEWEST = 4


def importances_block(study: optuna.Study, objective: Objective, index: int) -> Plot | Text:
    """The importances by PED-ANOVA (Watanabe et al., IJCAI 2023), or why there are none."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < _FEWEST:
        return Text(f"Importances need {_FEWEST} completed trials or more.", tone="note")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few trials make them rough is said below
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(),
            target=lambda trial: trial.values[index] * (1 if _is_small_better(objective) else -1),
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


def _is_small_better(objective: Objective) -> bool:
    return not objective.metric.higher_is_better
