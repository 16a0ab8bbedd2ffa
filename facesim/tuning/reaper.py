"""Trials whose process has died are failed, and their parameters tried again."""

import time
from collections.abc import Sequence
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from facesim.tuning.process_identity import Presence
from facesim.tuning.trial_attributes import (
    BEAT,
    DIED,
    LOST,
    PRESENCE,
    REPEATS,
    is_worth_repeating,
    repeat_of,
)

SECONDS_WITHOUT_BEAT = 120.0
"""After so long a process of another machine is taken for dead."""

_SECONDS_TO_SIGN = 60.0


class Reaper:
    """Finds the dead of a study.

    A process of this machine is looked up. Of another machine only the beat is known, a number that
    a living process keeps changing; how long it has stood still is measured by this process's own
    clock, because clocks of two machines differ. Optuna's own heartbeat needs a relational
    storage and its own loop, so it is not used.

    Args:
        study: what to look through; whoever reaps must hold the lock of the study's folder.
        shared: whether processes that do not hold that lock may work on the study.
    """

    def __init__(self, study: optuna.Study, *, shared: bool) -> None:
        self._study = study
        self._shared = shared
        self._beats: dict[int, tuple[int, float]] = {}

    def reap(self) -> None:
        """Fail the trials of the dead, and queue once more what was lost."""
        for trial in self._trials(TrialState.RUNNING):
            if self._is_dead(trial):
                give_up(self._study, trial, DIED)
        everything = self._study.get_trials(deepcopy=False)
        for trial in to_repeat(everything):
            parameters, attributes = repeat_of(trial)
            self._study.enqueue_trial(parameters, user_attrs=attributes)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _is_dead(self, trial: FrozenTrial) -> bool:
        presence = Presence.read(trial.user_attrs.get(PRESENCE))
        if presence is None:
            # Who shares the folder signs before giving its lock back, so this one died before.
            return not self._shared or _age(trial) > _SECONDS_TO_SIGN
        return presence.is_dead or self._stands_still(trial, presence)

    def _stands_still(self, trial: FrozenTrial, presence: Presence) -> bool:
        if presence.host == Presence.here().host:
            return False
        beat, now = int(trial.user_attrs.get(BEAT, 0)), time.monotonic()
        seen, since = self._beats.get(trial.number, (None, now))
        if seen != beat:
            self._beats[trial.number] = beat, now
            return False
        return now - since > SECONDS_WITHOUT_BEAT


def give_up(study: optuna.Study, trial: FrozenTrial, why: str) -> None:
    """Fail a trial that does not count; one that has finished meanwhile stays as it is."""
    storage = study._storage  # noqa: SLF001  a trial of another process has no public handle
    try:
        storage.set_trial_user_attr(trial._trial_id, LOST, why)  # noqa: SLF001
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)  # noqa: SLF001
    except optuna.exceptions.UpdateFinishedTrialError:
        return


def to_repeat(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The lost trials that nobody has queued once more yet, also if its reaper died over it."""
    repeated = {trial.user_attrs.get(REPEATS) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state == TrialState.FAIL
        and trial.number not in repeated
        and is_worth_repeating(trial)
    ]


def _age(trial: FrozenTrial) -> float:
    began = trial.datetime_start
    return 0.0 if began is None else (datetime.now(tz=began.tzinfo) - began).total_seconds()
