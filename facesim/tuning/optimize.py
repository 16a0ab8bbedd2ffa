"""`facesim optimize`, from the file to the summary."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.experiment.loading import load_with_source
from facesim.processes import Processes
from facesim.training.build import RunComponents, Split, prepare
from facesim.training.evaluation_pairs import choose_all_pairs
from facesim.training.lint import lint_protocol
from facesim.training.stop import InterruptibleReporter, stop_on_signals
from facesim.tuning.objectives import objectives_named
from facesim.tuning.optuna_factories import make_pruner, make_sampler
from facesim.tuning.parse_space import read_space
from facesim.tuning.plan import Plan
from facesim.tuning.progress import StudyProgress, progress_of
from facesim.tuning.study import open_study, quieten, search_stage, study_exists
from facesim.tuning.study_page import write_study_page
from facesim.tuning.summary import Summary, summarise
from facesim.tuning.winner import winner_stage, winning_experiment, winning_trial
from facesim.tuning.work_queue import Stage
from facesim.tuning.workers import run_workers

BEST_FILE = "best.yaml"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        file: the experiment, with its search.
        overrides: assignments as ``--set`` takes them.
        out: where the study's folder is made.
        storage: URL of a database; None for a journal in the study's folder.
        trials: how many in all; None for as many as the search says.
        workers: processes on this machine.
        resume: whether the study must be there already.
    """

    file: Path
    overrides: Sequence[str]
    out: Path
    storage: str | None
    trials: int | None
    workers: int
    resume: bool


class View(Protocol):
    """Shows a person how a study goes."""

    def say(self, text: str) -> None:
        """One line."""
        ...

    def show(self, progress: StudyProgress) -> None:
        """Where the study stands now."""
        ...


def optimize(request: Request, view: View, processes: Processes) -> tuple[Path, Summary]:
    """Search, train the winner again, and leave ``best.yaml``, ``summary.json``, ``study.html``.

    Args:
        request: what to search.
        view: shows the study.
        processes: show what is computed once, before the first trial.

    Returns:
        The study's folder, and the summary.

    Raises:
        FacesimError: the file, the space or the storage is wrong, or the study has changed.
        Stopped: a signal came; the same command goes on.
    """
    quieten()
    plan = _plan(request)
    if request.resume and not study_exists(plan):
        raise FacesimError(
            f"there is no study {plan.name!r} to resume in {request.storage or plan.folder}; "
            "leave --resume out to begin it"
        )
    plan.folder.mkdir(parents=True, exist_ok=True)
    study = open_study(plan)
    base = _sound_base(plan, view)
    plan.write()
    stage = search_stage(plan)
    if not stage.is_done:
        _warm(processes, base.train, base.val)
    _make(stage, None, request.workers, "search", view)
    winner = winning_trial(plan, study)
    write_text(plan.folder / BEST_FILE, winning_experiment(plan, winner).as_yaml())
    view.say(
        f"trial {winner.number} has won; training it again with {plan.search.winner_seeds} seeds"
    )
    again = winner_stage(plan, winner)
    if not again.is_done:
        _warm(processes, base.test)
    _make(again, winner.number, request.workers, "winner and base experiment", view)
    summary = summarise(plan, study, winner, again.study)
    write_text(plan.folder / SUMMARY_FILE, summary.model_dump_json(indent=2) + "\n")
    write_study_page(plan, study, summary)
    return plan.folder, summary


def _plan(request: Request) -> Plan:
    experiment, root = load_with_source(request.file, request.overrides)
    space = read_space(experiment, root)
    search = experiment.search
    if search is None:
        raise FacesimError(f"{request.file} declares no search")
    make_sampler(search.sampler, 0)
    make_pruner(search.pruner, experiment.train.epochs)
    if request.trials is not None:
        search = search.model_copy(update={"trials": request.trials})
        experiment = experiment.model_copy(update={"search": search})
    folder = request.out.absolute() / experiment.name
    return Plan(experiment, space, objectives_named(search.metrics), folder, request.storage)


def _sound_base(plan: Plan, view: View) -> RunComponents:
    """Build and lint the base experiment, so that what is wrong with it is said once."""
    prepared = prepare(plan.space.base)
    pairs = choose_all_pairs(plan.space.base, prepared.splits[1:])
    lint = lint_protocol(plan.space.base, prepared.splits, pairs, Processes())
    for finding in lint.findings:
        view.say(str(finding))
    lint.require_no_errors()
    return prepared


def _warm(processes: Processes, *splits: Split) -> None:
    """Fill the trunk cache where a person sees how long it takes, and not in every worker."""
    with stop_on_signals() as stop:
        reporter = InterruptibleReporter(processes.reporter, stop)
        for split in splits:
            rows, training = np.arange(len(split.table)), split.name == "train"
            split.inputs.warm(rows, replace(processes, reporter=reporter), training=training)


def _make(stage: Stage, winner: int | None, workers: int, title: str, view: View) -> None:
    def look() -> None:
        view.show(progress_of(stage, title))

    if not stage.is_done:
        with stop_on_signals() as stop:
            run_workers(stage.plan.folder, stage.plan.storage, winner, workers, stop, look)
