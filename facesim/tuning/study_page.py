"""``study.html``: a search and what its winner is worth, as one file that loads nothing."""

from itertools import combinations
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from facesim.atomic import write_text
from facesim.experiment.yaml_writer import to_yaml
from facesim.page import Block, Card, Cards, Code, Page, Section, Table, Text
from facesim.report.rendering import render
from facesim.tuning.independent_ranges import independent_ranges
from facesim.tuning.plots.history import history_figure
from facesim.tuning.plots.importances import importances_block
from facesim.tuning.plots.parallel_coordinates import parallel_coordinates_figure
from facesim.tuning.plots.pareto_front import pareto_figure
from facesim.tuning.plots.slices import slice_figures
from facesim.tuning.plots.trial_marks import shown
from facesim.tuning.study import Plan
from facesim.tuning.summary import Retrained, Summary
from facesim.tuning.trial_attributes import REASON, counts, loss_of

PAGE_FILE = "study.html"


def write_study_page(plan: Plan, study: optuna.Study, summary: Summary) -> Path:
    """Write the page into the study's folder, and return it."""
    path = plan.folder / PAGE_FILE
    write_text(path, render(study_page(plan, study, summary)))
    return path


def study_page(plan: Plan, study: optuna.Study, summary: Summary) -> Page:
    """What the page says."""
    trials = study.get_trials(deepcopy=False)
    objectives = plan.objectives
    everyone = range(len(objectives))
    sections = [
        _winner_section(summary),
        Section(
            "history",
            "History",
            tuple(history_figure(trials, objectives, index) for index in everyone),
        ),
        *_pareto_sections(plan, study),
        Section("importances", "Importances", _importances(plan, study)),
        Section("slices", "Slices", tuple(slice_figures(plan.space, trials, objectives, 0))),
        Section(
            "parallel",
            "Parallel coordinates",
            (parallel_coordinates_figure(plan.space, trials, objectives, 0),),
        ),
        Section("trials", "Trials", (_trials_table(plan, trials),)),
        Section("space", "Space", (_space_code(plan),)),
    ]
    ended = ", ".join(f"{count} {state}" for state, count in summary.trials.items())
    wanted = ", ".join(each.name for each in objectives)
    return Page(f"Study {plan.name}", f"{wanted}; trials: {ended}", tuple(sections))


def _winner_section(summary: Summary) -> Section:
    winner = summary.winner.test.get(summary.metric)
    cards = [
        Card(
            "Won the search, on val", f"{summary.winning_value:.4f}", "one seed, the luckiest trial"
        )
    ]
    if winner is not None:
        spread = f"± {winner.standard_deviation:.4f} over {len(summary.seeds)} fresh seeds"
        cards.append(Card("Trained again, on test", f"{winner.mean:.4f}", spread))
    blocks: list[Block] = [Cards(tuple(cards)), Text(verdict(summary)), _comparison(summary)]
    if summary.winners_scored > 1:
        blocks.append(
            Text(
                f"Test has been looked at for {summary.winners_scored} winners of this study: its "
                "figures are no longer those of untouched data.",
                tone="warning",
            )
        )
    return Section("winner", "The winner", tuple(blocks))


def verdict(summary: Summary) -> str:
    """One sentence on whether the search was worth it."""
    difference = summary.difference
    if difference is None:
        return "Nothing that was tried beat the base experiment on val."
    figures = (
        f"Winner minus base experiment, {difference.metric} on test: {difference.mean:+.4f}, 95% "
        f"interval {difference.low:+.4f} to {difference.high:+.4f} over {len(summary.seeds)} "
        "paired seeds"
    )
    if difference.better is None:
        return f"{figures}: no difference is shown."
    better = "the winner" if difference.better == "winner" else "the base experiment"
    return f"{figures}: {better} is better."


def _comparison(summary: Summary) -> Table:
    systems = {f"Winner (trial {summary.winning_trial})": summary.winner}
    if summary.base is not None:
        systems["Base experiment"] = summary.base
    metrics = list(dict.fromkeys([summary.metric, "accuracy", "eer", "roc_auc"]))
    return Table(
        f"Mean and standard deviation over {len(summary.seeds)} fresh seeds",
        ("System", *(f"{metric}, {split}" for metric in metrics for split in ("val", "test"))),
        tuple(
            (name, *(_spread(system, metric, split) for metric in metrics for split in (0, 1)))
            for name, system in systems.items()
        ),
    )


def _spread(system: Retrained, metric: str, split: int) -> str:
    found = (system.val, system.test)[split].get(metric)
    return "-" if found is None else f"{found.mean:.4f} ± {found.standard_deviation:.4f}"


def _pareto_sections(plan: Plan, study: optuna.Study) -> list[Section]:
    pairs = list(combinations(range(len(plan.objectives)), 2))
    if not pairs:
        return []
    figures = tuple(pareto_figure(study, plan.objectives, *pair) for pair in pairs)
    return [Section("pareto", "Pareto front", figures)]


def _importances(plan: Plan, study: optuna.Study) -> tuple[Block, ...]:
    whole = independent_ranges(plan, study)
    return tuple(
        importances_block(whole, objective, index)
        for index, objective in enumerate(plan.objectives)
    )


def _trials_table(plan: Plan, trials: list[FrozenTrial]) -> Table:
    names = [objective.name for objective in plan.objectives]
    return Table(
        "All trials",
        ("Trial", "State", *names, "Parameters"),
        tuple(_trial_row(trial, len(names)) for trial in trials),
        numeric=False,
    )


def _trial_row(trial: FrozenTrial, objectives: int) -> tuple[str, ...]:
    state = trial.state.name.lower()
    if not counts(trial):
        state = f"lost ({loss_of(trial)}), tried again"
    elif REASON in trial.user_attrs:
        state = f"failed: {trial.user_attrs[REASON]}"
    values = [f"{value:.4f}" for value in trial.values or ()] or ["-"] * objectives
    parameters = ", ".join(f"{name} {shown(value)}" for name, value in trial.params.items())
    return (str(trial.number), state, *values, parameters)


def _space_code(plan: Plan) -> Code:
    data = {"search": plan.search.model_dump(mode="json")}
    return Code("The search as it was declared, defaults included", to_yaml(data))
