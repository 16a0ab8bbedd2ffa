"""The trials that are to be trained, and how far they are, over all workers and machines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from facesim.processes import Processes
from facesim.training.stop import StopRequest
from facesim.tuning.liveness import ProcessIdentity
from facesim.tuning.objectives import Objective
from facesim.tuning.storage import (
    EPOCHS,
    PROCESS,
    REPEATS,
    counted,
    loss_of,
)
from facesim.tuning.study import Plan


@dataclass(frozen=True)
class TrialQueue:
    """The trials of one study that are to be trained: a search, or its winner's trainings.

    Attributes:
        plan: what the study is about.
        study: Optuna's.
        total: number of trials, over all workers and machines.
        train: trains one; returns its values, or raises what ended it.
        objectives: what the trials' values are; empty where they are not compared one by one.
        before_asking: called just before a trial is asked for.
        processes: train each trial together.
    """

    plan: Plan
    study: optuna.Study
    total: int
    train: Callable[[optuna.Trial, StopRequest], Sequence[float]]
    objectives: tuple[Objective, ...] = ()
    before_asking: Callable[[], None] = lambda: None
    processes: Processes = field(default_factory=Processes)

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials that count, in any state."""
        return counted(self.study.get_trials(deepcopy=False))

    @property
    def is_open(self) -> bool:
        """Whether a trial may be begun."""
        trials = self.trials
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or len(trials) < self.total

    @property
    def is_done(self) -> bool:
        """Whether there are as many trials as asked for, each of them ended."""
        trials = self.trials
        return len(trials) >= self.total and all(trial.state.is_finished() for trial in trials)

    def is_surplus(self, number: int) -> bool:
        """Whether another machine was faster: with the last trial, or with the same one.

        Machines share no lock, so two of them may begin a last trial each, or both may queue what
        every study begins with.
        """
        trials = self.trials
        mine = next((trial for trial in trials if trial.number == number), None)
        if mine is None:  # taken for dead meanwhile: the next report will say so
            return False
        earlier = [trial for trial in trials if trial.number < number]
        begun = [_asked_for(trial) for trial in earlier]
        return (_asked_for(mine) or None) in begun or len(earlier) >= self.total

    def progress(self, title: str) -> "StudyProgress":
        """How far the trials are; ``title`` says what they are trained for."""
        everything = self.study.get_trials(deepcopy=False)
        counting = counted(everything)
        states = {state: [t for t in counting if t.state == state] for state in TrialState}
        running = tuple(_running(trial) for trial in states[TrialState.RUNNING])
        ended = [trial for trial in counting if trial.state.is_finished()]
        took = [trial.duration.total_seconds() for trial in ended if trial.duration]
        left = self.total - len(ended)
        return StudyProgress(
            title=title,
            total=self.total,
            running=running,
            done=len(states[TrialState.COMPLETE]),
            pruned=len(states[TrialState.PRUNED]),
            failed=len(states[TrialState.FAIL]),
            lost=sum(loss_of(trial) is not None for trial in everything),
            best=self._best(states[TrialState.COMPLETE]),
            seconds_left=left * sum(took) / len(took) / max(len(running), 1) if took else None,
        )

    def _best(self, complete: list[FrozenTrial]) -> str:
        parts = []
        for index, objective in enumerate(self.objectives if complete else ()):
            position = objective.metric.best([trial.values[index] for trial in complete]) or 0
            trial = complete[position]
            parts.append(f"{objective.name} {trial.values[index]:.4f} (trial {trial.number})")
        return ", ".join(parts)


@dataclass(frozen=True)
class RunningTrial:
    """A running trial.

    Attributes:
        number: the trial's.
        epochs_done: epochs that are done.
        where: machine and process.
        seconds: since it began.
    """

    number: int
    epochs_done: int
    where: str
    seconds: float


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        title: what the trials are trained for.
        total: trials that were asked for.
        running: those that are running.
        done: trials that were trained to their last epoch.
        pruned: trials that were ended early.
        failed: trials that could not be trained.
        lost: how often a process died or was stopped with a trial, which is then tried again.
        best: the best trial so far and its value, per objective.
        seconds_left: at the pace so far; None before the first trial has ended.
    """

    title: str
    total: int
    running: tuple[RunningTrial, ...]
    done: int
    pruned: int
    failed: int
    lost: int
    best: str
    seconds_left: float | None

    @property
    def ended(self) -> int:
        """Trials that need no more work."""
        return self.done + self.pruned + self.failed


def _asked_for(trial: FrozenTrial) -> dict[str, Any]:
    """The queued parameters of a trial, and which lost trial it repeats; empty if not queued."""
    queued = trial.system_attrs.get("fixed_params")  # Optuna has no public name for them
    if queued is None:
        return {}
    return {"parameters": queued, "repeats": trial.user_attrs.get(REPEATS)}


def _running(trial: FrozenTrial) -> RunningTrial:
    process = ProcessIdentity.read(trial.user_attrs.get(PROCESS))
    where = f"{process.name_of_host}:{process.pid}" if process else ""
    took, began = timedelta(), trial.datetime_start
    if began is not None:
        took = datetime.now().astimezone() - began.astimezone()
    epochs = int(trial.user_attrs.get(EPOCHS, 0))
    return RunningTrial(trial.number, epochs, where, took.total_seconds())
