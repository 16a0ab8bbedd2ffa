"""`facesim optimize`, from the file to the summary."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import optuna
from optuna.trial import TrialState

from facesim.atomic import remove_leftovers, write_text
from facesim.data.linter.protocol import lint_protocol
from facesim.discovery import record_consent
from facesim.errors import FacesimError, count
from facesim.experiment.decisions import Decision, left_open
from facesim.experiment.loading import load_with_source
from facesim.json_files import write_json
from facesim.processes import Processes
from facesim.training.build import RunComponents, Split, Tables, decide, prepare
from facesim.training.compiling import COMPILE
from facesim.training.engines import ENGINE
from facesim.training.evaluation_pairs import choose_all_pairs
from facesim.training.shards import require_even_shares
from facesim.training.stop import InterruptibleReporter, stop_on_signals
from facesim.tuning.identity import Identity
from facesim.tuning.optuna_factories import make_pruner, make_sampler
from facesim.tuning.storage import storage_errors_named, storage_name
from facesim.tuning.study import (
    TRIALS_FOLDER,
    Plan,
    as_the_study,
    changed_plugins,
    decisions_of,
    open_study,
    record_decisions,
    silence_optuna,
    study_exists,
    threads_per_trial,
    varies_trunk,
)
from facesim.tuning.study_page import write_study_page
from facesim.tuning.summary import Summary, summarise
from facesim.tuning.trial import search_queue
from facesim.tuning.trial_queue import StudyProgress, TrialQueue
from facesim.tuning.winner import retry_failed, winner_queue, winning_experiment, winning_trial
from facesim.tuning.workers import Task, run_workers

BEST_FILE = "best.yaml"
SUMMARY_FILE = "summary.json"
_SECONDS_TO_WRITE = 60.0


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes:
        file: the experiment, with its search.
        overrides: assignments as ``--set`` takes them.
        out: where the study's folder is made.
        storage: URL of a database; None for a journal in the study's folder.
        trials: number in all; None for as many as the search says.
        workers: processes on this machine.
        resume: whether the study must exist already.
        trust: whether to import what the file of a run or a study names without consent.
        processes: of each worker, which train each trial together.
    """

    file: Path
    overrides: Sequence[str]
    out: Path
    storage: str | None
    trials: int | None
    workers: int
    resume: bool
    trust: bool = False
    processes: int = 1


class View(Protocol):
    """Shows a person the progress of a study."""

    def say(self, text: str) -> None:
        """Show one line."""
        ...

    def show(self, progress: StudyProgress) -> None:
        """Show how far the study is now."""
        ...


def optimize(request: Request, view: View, processes: Processes) -> tuple[Path, Summary]:
    """Search, train the winner again, and write ``best.yaml``, ``summary.json``, ``study.html``.

    Args:
        request: what to search.
        view: shows the study.
        processes: show what is computed once, before the first trial.

    Returns:
        The study's folder, and the summary.

    Raises:
        FacesimError: the file, the space or the storage is wrong, or the study has changed.
        Stopped: a signal came; the same command resumes the study.
    """
    silence_optuna()
    plan = _plan(request)
    if request.resume and not study_exists(plan):
        raise FacesimError(
            f"there is no study {plan.name!r} to resume in {request.storage or plan.folder}; "
            "leave --resume out to begin it"
        )
    plan.folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(plan.folder, older_than=_SECONDS_TO_WRITE)
    with storage_errors_named(plan.storage, plan.folder):
        return plan.folder, _search(plan, request, view, processes)


def _search(plan: Plan, request: Request, view: View, processes: Processes) -> Summary:
    study = open_study(plan)
    _say_what_is_odd(plan, study, request, view)
    tables = Tables(processes.reporter)
    base = _checked_base(plan, tables, view)
    if plan.identity is not None:  # now that the datasets have been read
        contents = {split.name: split.digests for split in base.splits}
        plan = replace(plan, identity=plan.identity.reading(contents))
        study = open_study(plan)
    lost = plan.write()
    if lost is not None:
        view.say(lost)
    queue = search_queue(plan)
    if not queue.is_done:
        base = _decided(plan, study, base, tables, view)
        _fill_trunk_cache(processes, base.train, base.val)
    _run(queue, None, request, "search", view)
    winner = winning_trial(plan, study)
    best = winning_experiment(plan, winner)
    write_text(plan.folder / BEST_FILE, best.as_yaml())
    record_consent(best.as_yaml().encode(), best.plugins)  # what it loses is said above
    view.say(
        f"winner: trial {winner.number}; training it with {count(plan.search.winner_seeds, 'seed')}"
    )
    again = winner_queue(plan, winner)
    if failed := retry_failed(again):
        view.say(f"{count(failed, 'training')} of the winner or the base experiment failed before")
    if not again.is_done:
        _fill_trunk_cache(processes, base.test)
    _run(again, winner.number, request, "winner and base experiment", view)
    summary = summarise(plan, study, winner, again.study)
    write_json(plan.folder / SUMMARY_FILE, summary)
    write_study_page(plan, study, summary)
    return summary


def _say_what_is_odd(plan: Plan, study: optuna.Study, request: Request, view: View) -> None:
    begun = any(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))
    if not begun and (plan.folder / TRIALS_FOLDER).exists():
        view.say(
            f"{storage_name(plan.storage, plan.folder)} holds no trial, but {plan.folder} has runs "
            "of trials: another storage was named, or it was lost. The study begins anew, and "
            "leaves them alone"
        )
    for code in changed_plugins(plan, study):
        view.say(f"{code} has changed since the study began: earlier trials are of other code")
    threads = threads_per_trial(plan)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    processes = request.workers * request.processes
    if processes > 1 and processes * threads > (available or 1):
        view.say(
            f"{processes} processes of {count(threads, 'thread')} share {available} processors; a "
            "new study is faster with a smaller `search.threads`"
        )


def _plan(request: Request) -> Plan:
    experiment, root = load_with_source(request.file, request.overrides, trust=request.trust)
    if experiment.folds is not None:
        raise FacesimError(
            f"{request.file}: a search chooses on val, and with folds whoever is in val is tested "
            "in another fold, so that the winner would be tested on people who chose it. Search "
            "with `evaluate: {protocol: pairs}` and `data: {split: {ratios: [0.7, 0.1, 0.2]}}`; or "
            "on one fold, whose test nothing is chosen on, with `--set data.split.fold=1`"
        )
    if experiment.search is not None and request.trials is not None:
        search = experiment.search.model_copy(update={"trials": request.trials})
        experiment = experiment.model_copy(update={"search": search})
    folder = request.out.absolute() / experiment.name
    plan = Plan.of(experiment, root, folder, request.storage)
    plan = replace(plan, identity=Identity.of(plan.space.base, plan.space.root))
    require_even_shares(plan.space.base.train.shards, request.processes)
    # Every worker makes its own; what is wrong with their arguments is said here, once.
    make_sampler(plan.search.sampler, 0)
    make_pruner(plan.search.pruner, experiment.train.epochs)
    return plan


def _checked_base(plan: Plan, tables: Tables, view: View) -> RunComponents:
    """Build and lint the base experiment, so that what is wrong with it is said once."""
    prepared = prepare(as_the_study(plan, plan.space.base), tables=tables)
    pairs = choose_all_pairs(plan.space.base, prepared.splits[1:])
    lint = lint_protocol(plan.space.base, prepared.splits, pairs, Processes())
    for finding in lint.findings:
        view.say(str(finding))
    lint.require_no_errors()
    return prepared


def _decided(
    plan: Plan, study: optuna.Study, base: RunComponents, tables: Tables, view: View
) -> RunComponents:
    """The base experiment's components, with what it leaves open decided once for all trials."""
    if decisions_of(plan) is not None:
        return base
    decisions: Mapping[str, Decision] = {}
    if not varies_trunk(plan):
        base = decide(base, tables)
        decisions = base.decisions
    elif left_open(base.experiment):  # an engine may not run every trunk, and each rounds its way
        why = "the search varies the trunk or how it computes, and all trials are run alike"
        decisions = {
            ENGINE: Decision(chosen="eager", why=why),
            COMPILE: Decision(chosen=False, why=why),
        }
    with plan.locked():
        record_decisions(study, decisions)
    for key, decision in decisions.items():
        view.say(f"{key}: {decision}")
    return prepare(as_the_study(plan, plan.space.base), tables=tables)


def _fill_trunk_cache(processes: Processes, *splits: Split) -> None:
    """Here a person sees how long it takes; the workers, who report nothing, find it filled."""
    with stop_on_signals() as stop:
        processes = replace(processes, reporter=InterruptibleReporter(processes.reporter, stop))
        for split in splits:
            rows, training = np.arange(len(split.table)), split.name == "train"
            split.inputs.warm(rows, processes, training=training)


def _run(queue: TrialQueue, winner: int | None, request: Request, title: str, view: View) -> None:
    if not queue.is_done:
        plan = queue.plan
        text = plan.experiment.as_yaml()
        task = Task(plan.folder, plan.storage, winner, text, plan.identity, request.processes)
        with stop_on_signals() as stop:
            run_workers(task, request.workers, stop, lambda: view.show(queue.progress(title)))
        if not queue.is_done:
            raise FacesimError(f"{title}: all workers were stopped; the same command goes on")
