"""``study.html``: a search and what its winner is worth, as one self-contained file."""

from itertools import combinations
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from facesim.atomic import write_text
from facesim.errors import count
from facesim.experiment.measured_metrics import measured_metrics
from facesim.experiment.yaml_writer import to_yaml
from facesim.page import Block, Card, Cards, Code, Page, Section, Table, Text
from facesim.report.rendering import render
from facesim.tuning.objectives import importances_plot
from facesim.tuning.storage import REASON, SURPLUS, loss_of
from facesim.tuning.study import Plan
from facesim.tuning.study_plots import StudyPlots, shown
from facesim.tuning.summary import Spread, Summary

PAGE_FILE = "study.html"
_FAILED_SHOWN = 5


def write_study_page(plan: Plan, study: optuna.Study, summary: Summary) -> Path:
    """Write the page into the study's folder, and return its path."""
    path = plan.folder / PAGE_FILE
    write_text(path, render(study_page(plan, study, summary)))
    return path


def study_page(plan: Plan, study: optuna.Study, summary: Summary) -> Page:
    """The page's content: winner, plots, trials, and the space as it was declared."""
    trials = study.get_trials(deepcopy=False)
    plots = StudyPlots(plan.space, plan.objectives, trials)
    indices = range(len(plan.objectives))
    pareto = tuple(
        plots.pareto_front(first, second, study.best_trials)
        for first, second in combinations(indices, 2)
    )
    importances = tuple(
        importances_plot(plan.space, study, objective, index)
        for index, objective in enumerate(plan.objectives)
    )
    search = to_yaml({"search": plan.search.model_dump(mode="json")})
    sections = (
        _winner_section(plan, summary),
        Section("history", "History", tuple(plots.history(index) for index in indices)),
        *([Section("pareto", "Pareto front", pareto)] if pareto else []),
        Section("importances", "Importances", importances),
        Section("slices", "Slices", tuple(plots.slices(0))),
        *(
            [Section("parallel", "Parallel coordinates", (plots.parallel_coordinates(0),))]
            if len(plan.space.parameters) > 1  # of one, the slice shows as much
            else []
        ),
        Section("trials", "Trials", (_trials_table(plan, trials),)),
        Section("space", "Space", (Code("The search as declared, with its defaults", search),)),
    )
    ended = ", ".join(f"{count} {state}" for state, count in summary.trials.items())
    wanted = ", ".join(each.name for each in plan.objectives)
    return Page(f"Study {plan.name}", f"{wanted}; trials: {ended}", sections)


def _winner_section(plan: Plan, summary: Summary) -> Section:
    winner = summary.winner.test.get(summary.metric)
    compared = sum(summary.trials.get(state, 0) for state in ("complete", "pruned"))
    caveat = f"single seed, best of {count(compared, 'trial')} (optimistic)"
    cards = [Card("Best trial, on val", f"{summary.winning_value:.4f}", caveat)]
    if winner is not None:
        deviation = winner.standard_deviation
        spread = "one fresh seed"
        if deviation is not None:
            spread = f"± {deviation:.4f} over {len(summary.seeds)} fresh seeds"
        cards.append(Card("Retrained, on test", f"{winner.mean:.4f}", spread))
    labels = {summary.metric: plan.compared_by.label}
    for name, metric in measured_metrics(plan.experiment).items():
        if metric.headline:
            labels[name] = metric.label
    blocks: list[Block] = [
        Cards(tuple(cards)),
        Text(verdict(summary)),
        _comparison(summary, labels),
    ]
    warnings = (shortfall(summary), failures(summary), reuse_warning(summary))
    blocks += [Text(warning, tone="warning") for warning in warnings if warning is not None]
    return Section("winner", "Winner", tuple(blocks))


def verdict(summary: Summary) -> str:
    """One sentence on whether the winner is better than the base experiment."""
    difference = summary.difference
    if difference is None:
        return "No trial beat the base experiment on val."
    told = f"Winner minus base experiment, {difference.metric} on test: {difference.mean:+.4f}"
    if difference.low is not None and difference.high is not None:
        seeds = f"{count(len(summary.seeds), 'paired seed')} and the people in test"
        told += f", 95% interval {difference.low:+.4f} to {difference.high:+.4f} over {seeds}"
    if difference.reason is not None:
        return f"{told}: no verdict, {difference.reason}."
    if difference.better is None:
        return f"{told}: no difference shown."
    better = "the winner" if difference.better == "winner" else "the base experiment"
    return f"{told}: {better} is better."


def shortfall(summary: Summary) -> str | None:
    """Which trials of the search came to no result, else None."""
    failed = summary.failed_trials
    if not failed:
        return None
    shown = "; ".join(f"trial {each.number}: {each.reason}" for each in failed[:_FAILED_SHOWN])
    more = f"; and {len(failed) - _FAILED_SHOWN} more" if len(failed) > _FAILED_SHOWN else ""
    asked = count(summary.trials_asked or len(failed), "trial")
    return f"{len(failed)} of {asked} came to no result: {shown}{more}."


def failures(summary: Summary) -> str | None:
    """Which trainings with fresh seeds failed and so are left out of the verdict, else None."""
    if not summary.failed:
        return None
    told = "; ".join(
        f"seed {each.seed} of the {each.system}: {each.reason}" for each in summary.failed
    )
    left_out = count(len({each.seed for each in summary.failed}), "fresh seed")
    return f"{left_out} left out of the comparison, because a training failed: {told}."


def reuse_warning(summary: Summary) -> str | None:
    """What to say where several winners have been scored on the same test split, else None."""
    if summary.winners_scored == 1:
        return None
    return (
        f"{summary.winners_scored} winners of this study have been scored on test: its results "
        "are no longer those of untouched data."
    )


def in_words(spread: Spread) -> str:
    """``0.8120 ± 0.0031``, without the deviation of one seed."""
    deviation = spread.standard_deviation
    return f"{spread.mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def _comparison(summary: Summary, labels: dict[str, str]) -> Table:
    systems = {f"Winner (trial {summary.winning_trial})": summary.winner}
    if summary.base is not None:
        systems["Base experiment"] = summary.base
    rows = []
    for name, label in labels.items():
        spreads = [found.get(name) for each in systems.values() for found in (each.val, each.test)]
        texts = ["-" if spread is None else in_words(spread) for spread in spreads]
        rows.append((label, *texts))
    return Table(
        f"Mean and standard deviation over {count(len(summary.seeds), 'fresh seed')}",
        ("Metric", *(f"{system}, {split}" for system in systems for split in ("val", "test"))),
        tuple(rows),
    )


def _trials_table(plan: Plan, trials: list[FrozenTrial]) -> Table:
    names = [objective.name for objective in plan.objectives]
    rows = []
    for trial in trials:
        state = trial.state.name.lower()
        if loss_of(trial) == SURPLUS:
            state = "surplus: another machine was faster"
        elif loss_of(trial) is not None:
            state = f"lost ({loss_of(trial)}), tried again"
        elif REASON in trial.user_attrs:
            state = f"failed: {trial.user_attrs[REASON]}"
        values = [f"{value:.4f}" for value in trial.values or ()] or ["-"] * len(names)
        parameters = ", ".join(f"{name} {shown(value)}" for name, value in trial.params.items())
        rows.append((str(trial.number), state, *values, parameters))
    columns = ("Trial", "State", *names, "Parameters")
    return Table("All trials", columns, tuple(rows), numeric=False)
