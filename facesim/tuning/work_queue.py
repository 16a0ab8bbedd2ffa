"""What workers work on: a study with a number of trials, and what one of them is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from facesim.training.stop import StopRequest
from facesim.tuning.objectives import Objective
from facesim.tuning.plan import Plan
from facesim.tuning.trial_attributes import REPEATS, counts


@dataclass(frozen=True)
class Stage:
    """Trials that are to be made.

    Attributes:
        plan: what the study is about.
        study: Optuna's.
        total: how many trials there shall be, over all workers and machines.
        attempt: makes one; returns its values, or raises what made an end to it.
        objectives: what the trials' values are; empty where they are not compared one by one.
        before_asking: called just before a trial is asked for.
    """

    plan: Plan
    study: optuna.Study
    total: int
    attempt: Callable[[optuna.Trial, StopRequest], Sequence[float]]
    objectives: tuple[Objective, ...] = ()
    before_asking: Callable[[], None] = lambda: None

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials that count, in any state."""
        found = self.study.get_trials(deepcopy=False)
        return [trial for trial in found if counts(trial)]

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
        """Whether another machine was a moment faster: with the last trial, or with the same one.

        Machines share no lock, so that two may begin a last trial each, or both put into the queue
        what every study begins with.
        """
        trials = self.trials
        mine = next(trial for trial in trials if trial.number == number)
        earlier = [trial for trial in trials if trial.number < number]
        begun = [_asked_for(trial) for trial in earlier]
        return (_asked_for(mine) or None) in begun or len(earlier) >= self.total


def _asked_for(trial: FrozenTrial) -> dict[str, Any]:
    """What was put into the queue, and of which lost trial it is the repetition."""
    queued = trial.system_attrs.get("fixed_params")
    if queued is None:
        return {}
    return {"parameters": queued, "repeats": trial.user_attrs.get(REPEATS)}
