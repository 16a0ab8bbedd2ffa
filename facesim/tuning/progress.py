"""How far a study is, over all its workers, read from its storage."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from optuna.trial import FrozenTrial, TrialState

from facesim.tuning.process_identity import Presence
from facesim.tuning.trial_attributes import EPOCHS, LOST, PRESENCE, counts
from facesim.tuning.work_queue import Stage


@dataclass(frozen=True)
class RunningTrial:
    """A trial under way.

    Attributes:
        number: the trial's.
        epochs_done: how far it is.
        where: machine and process.
        seconds: since it began.
    """

    number: int
    epochs_done: int
    where: str
    seconds: float


@dataclass(frozen=True)
class StudyProgress:
    """Where a study stands.

    Attributes:
        title: what the trials are made for.
        total: trials that were asked for.
        running: those under way.
        done: trials that were trained to their end.
        pruned: trials that were given up early.
        failed: trials that could not be trained.
        lost: times that a process died or was stopped with a trial, which is tried again.
        best: the best trial so far and its value, for each objective.
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


def progress_of(stage: Stage, title: str) -> StudyProgress:
    """Read how far a stage is."""
    everything = stage.study.get_trials(deepcopy=False)
    counting = [trial for trial in everything if counts(trial)]
    now = datetime.now().astimezone()
    states = {state: [t for t in counting if t.state == state] for state in TrialState}
    ended = [trial for trial in counting if trial.state.is_finished()]
    running = tuple(_running(trial, now) for trial in states[TrialState.RUNNING])
    return StudyProgress(
        title=title,
        total=stage.total,
        running=running,
        done=len(states[TrialState.COMPLETE]),
        pruned=len(states[TrialState.PRUNED]),
        failed=len(states[TrialState.FAIL]),
        lost=sum(LOST in trial.user_attrs and not counts(trial) for trial in everything),
        best=_best(stage, states[TrialState.COMPLETE]),
        seconds_left=_seconds_left(ended, stage.total - len(ended), len(running)),
    )


def _running(trial: FrozenTrial, now: datetime) -> RunningTrial:
    presence = Presence.read(trial.user_attrs.get(PRESENCE))
    where = f"{presence.host.split()[0]}:{presence.pid}" if presence else ""
    took = now - trial.datetime_start.astimezone() if trial.datetime_start else timedelta()
    return RunningTrial(
        trial.number, int(trial.user_attrs.get(EPOCHS, 0)), where, took.total_seconds()
    )


def _best(stage: Stage, complete: list[FrozenTrial]) -> str:
    if not complete:
        return ""
    parts = []
    for index, objective in enumerate(stage.objectives):
        position = objective.metric.best([trial.values[index] for trial in complete]) or 0
        trial = complete[position]
        parts.append(f"{objective.name} {trial.values[index]:.4f} (trial {trial.number})")
    return ", ".join(parts)


def _seconds_left(ended: list[FrozenTrial], left: int, running: int) -> float | None:
    seconds = [trial.duration.total_seconds() for trial in ended if trial.duration]
    if not seconds:
        return None
    return left * sum(seconds) / len(seconds) / max(running, 1)
