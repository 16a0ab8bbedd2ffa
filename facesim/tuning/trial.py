"""One trial of a search: a run like any other, in its own directory, without the test split."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from facesim.errors import FacesimError
from facesim.experiment.decisions import applying
from facesim.experiment.measured_metrics import quantity_named
from facesim.experiment.schema import Experiment
from facesim.machine_errors import machine_error
from facesim.processes import Processes
from facesim.runs.directory import RunFile
from facesim.runs.run import Run
from facesim.seeds import derive_seed
from facesim.training.checkpoint import read_checkpoint
from facesim.training.stop import StopRequest, TrainingCancelled
from facesim.training.trunk_file import share_trunk
from facesim.tuning.objectives import COST, VAL, by_current_name, costs_of, values_of
from facesim.tuning.optuna_factories import make_pruner, make_sampler
from facesim.tuning.storage import DRAWN, EPOCHS, IS_BASE, REPEATS, RUN, places
from facesim.tuning.study import Plan, as_the_study, decisions_of, open_study
from facesim.tuning.trial_queue import TrialQueue


def search_queue(plan: Plan, processes: Processes | None = None) -> TrialQueue:
    """The search itself: as many trials as asked for, each a point of the space."""
    group = processes or Processes()
    study = open_study(plan)
    study.pruner = make_pruner(plan.search.pruner, plan.experiment.train.epochs)

    def seeded() -> None:
        """Draw from a stream of its own for each point, whichever process begins it."""
        trials = study.get_trials(deepcopy=False)
        place = places(trials)
        queued = (place[each.number] for each in trials if each.state == TrialState.WAITING)
        next_place = next(queued, max(place.values(), default=-1) + 1)
        seed = derive_seed(plan.experiment.seed, "search", next_place)
        study.sampler = make_sampler(plan.search.sampler, seed)

    return TrialQueue(
        plan,
        study,
        plan.search.trials,
        train=lambda trial, stop: SearchTrial(plan, trial, stop, group).train(),
        objectives=plan.objectives,
        before_asking=seeded,
        processes=group,
    )


class SearchTrial:
    """Trains a run at a trial's point of the space.

    Args:
        plan: what the study searches.
        trial: Optuna's, just begun.
        stop: asked before the first epoch and after each; within, the run's own catches signals.
        processes: train it together.
    """

    def __init__(
        self,
        plan: Plan,
        trial: optuna.Trial,
        stop: StopRequest,
        processes: Processes | None = None,
    ) -> None:
        self.plan = plan
        self.trial = trial
        self.stop = stop
        self.processes = processes or Processes()
        self.experiment = plan.space.suggest(trial)
        trial.set_user_attr(DRAWN, True)
        first, *others = plan.objectives
        # Optuna prunes studies of one objective alone, and a cost is known only in the end.
        self._reported = first.metric.name if first.source == VAL and not others else None

    def train(self) -> Sequence[float]:
        """Train, from the lost trial's checkpoint where there is one, and return the objectives.

        The objectives are those of the epoch whose checkpoint is kept as ``best``.

        Raises:
            TrainingCancelled: the trial is pruned.
            Stopped: a signal came.
            FacesimError: the loss is not finite, or an objective does not exist.
        """
        folder = self.plan.trial_folder(self.trial.number)
        run = begin_or_continue(self.plan, self.trial, self.experiment, folder, self.processes)
        for epoch in epochs_before(run):
            self._report(int(epoch["epoch"]), epoch)
        self.stop.check()
        try:
            run.train(self._on_epoch)
        except TrainingCancelled:
            forget_checkpoints(run)
            raise
        return self._objectives(run)

    def _on_epoch(self, epochs_done: int, values: Mapping[str, float | None]) -> None:
        self._report(epochs_done, values)
        self.stop.check()
        # The base experiment is what the others are compared with, so it is trained to its end.
        is_prunable = self._reported is not None and not self.trial.user_attrs.get(IS_BASE)
        goes_on = epochs_done < self.experiment.train.epochs
        if is_prunable and goes_on and self.trial.should_prune():
            raise TrainingCancelled

    def _report(self, epochs_done: int, values: Mapping[str, Any]) -> None:
        value = None if self._reported is None else values.get(self._reported)
        if value is not None:
            self.trial.report(float(value), epochs_done)
        self.trial.set_user_attr(EPOCHS, epochs_done)

    def _objectives(self, run: Run) -> list[float]:
        costs = {each.metric.name for each in self.plan.objectives if each.source == COST}
        measured = {**best_of_val(run), **costs_of(run.components, costs)}
        found = values_of(self.plan.objectives, measured)
        if found is None:
            wanted = ", ".join(each.name for each in self.plan.objectives)
            raise FacesimError(f"{wanted} cannot be computed on these pairs of val")
        return found


def begin_or_continue(
    plan: Plan,
    trial: optuna.Trial,
    experiment: Experiment,
    folder: Path,
    processes: Processes | None = None,
) -> Run:
    """The run of a trial: that of the lost trial that it repeats, or a new one in ``folder``."""
    experiment = as_the_study(plan, experiment)
    if (lost := trial.user_attrs.get(REPEATS)) is not None:
        # Whoever tried it has ended, perhaps while it made a run directory, or just after.
        for directory in folder.with_name(f"{lost:04d}").glob("*/*"):
            if not (directory / RunFile.ENVIRONMENT).exists():  # no session ever began
                shutil.rmtree(directory, ignore_errors=True)
    decisions = applying(decisions_of(plan) or {}, experiment)
    left = _left_behind(plan, trial, experiment, processes)
    if left is not None:
        left.decisions = decisions
        return left
    run = Run.begin(experiment, folder, processes)
    run.decisions = decisions
    share_trunk(run.path / RunFile.TRUNK, plan.trunks, run.components.network)
    trial.set_user_attr(RUN, str(run.path.absolute()))
    return run


def _left_behind(
    plan: Plan, trial: optuna.Trial, experiment: Experiment, processes: Processes | None
) -> Run | None:
    """The run that a lost trial left, if it is here, undamaged, and no process holds it.

    Another machine that shares the study's folder may have begun it, with the data elsewhere.
    """
    path = trial.user_attrs.get(RUN)
    if path is None:
        return None
    try:
        run = Run.open(Path(path), processes)
        with run.directory.locked():
            run.take_experiment(experiment, plan.keys_of_paths)
            # All that training goes on from is read once, and found whole.
            epochs_before(run)
            _ = run.components
    except FacesimError as error:
        if machine_error(error) is not None:
            raise
        return None
    return run


def epochs_before(run: Run) -> list[dict[str, Any]]:
    """The validations of the epochs that a run's last checkpoint covers."""
    last = run.checkpoints.last
    if not last.exists():
        return []
    done = read_checkpoint(last)["progress"]["epoch"]
    return [epoch for epoch in _validations(run) if epoch["epoch"] <= done]


def best_of_val(run: Run) -> dict[str, float | None]:
    """The validation, as ``val.NAME``, of the epoch whose checkpoint is the best."""
    epochs = _validations(run)
    best = quantity_named(run.experiment, run.experiment.train.best)
    index = best.best([epoch.get(best.name) for epoch in epochs])
    chosen = epochs[index or 0] if epochs else {}
    numbers = {key: value for key, value in chosen.items() if isinstance(value, int | float)}
    return {f"{VAL}.{key}": float(value) for key, value in numbers.items()}


def _validations(run: Run) -> tuple[dict[str, Any], ...]:
    log = run.log
    return () if log is None else tuple(by_current_name(epoch) for epoch in log.val)


def forget_checkpoints(run: Run) -> None:
    """Delete the checkpoints of a pruned trial, which is neither resumed nor used."""
    for path in (*run.checkpoints.path.glob("*.pt"), run.path / RunFile.TRUNK):
        path.unlink(missing_ok=True)
