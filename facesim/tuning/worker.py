"""One process of a study: takes a trial, makes it, takes the next."""

import time

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from pydantic import ValidationError

from facesim.errors import FacesimError
from facesim.training.stop import Stopped, StopRequest, TrainingCancelled
from facesim.tuning.heartbeat import beating
from facesim.tuning.process_identity import Presence
from facesim.tuning.reaper import Reaper
from facesim.tuning.trial_attributes import LOST, PRESENCE, REASON, STOPPED, SURPLUS
from facesim.tuning.work_queue import Stage

_SECONDS_BETWEEN_LOOKS = 0.5
_TRIALS_OWN_FAULT = (FacesimError, ValidationError, RuntimeError, MemoryError)
"""What a point of the space may bring about: torch reports wrong shapes and full memory so."""


def work(stage: Stage, stop: StopRequest) -> None:
    """Make trials until there are as many as asked for, and none of another process is left.

    Args:
        stage: which trials.
        stop: asked between two trials; within one, the run's own catches the signal.

    Raises:
        Stopped: a signal came; the trial under way is given back with its checkpoint.
    """
    reaper = Reaper(stage.study, shared=stage.plan.storage is not None)
    while True:
        stop.check()
        trial = _claim(stage, reaper)
        if trial is not None:
            _make(stage, trial, stop)
        elif stage.is_done:
            return
        else:
            time.sleep(_SECONDS_BETWEEN_LOOKS)  # another's trial may yet be lost and come back


def _claim(stage: Stage, reaper: Reaper) -> optuna.Trial | None:
    """The next trial, signed by this process; None if all have been begun."""
    with stage.plan.locked():
        reaper.reap()
        if not stage.is_open:
            return None
        stage.before_asking()
        trial = stage.study.ask()
        trial.set_user_attr(PRESENCE, Presence.here().as_attributes())
    if stage.is_surplus(trial.number):
        _fail(stage, trial, LOST, SURPLUS)
        return None
    return trial


def _make(stage: Stage, trial: optuna.Trial, stop: StopRequest) -> None:
    try:
        with beating(trial):
            values = stage.attempt(trial, stop)
        stage.study.tell(trial, values, skip_if_finished=True)
    except TrainingCancelled:
        stage.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return  # another machine took this process for dead, and the trial is made again
    except Stopped:
        _fail(stage, trial, LOST, STOPPED)
        raise
    except _TRIALS_OWN_FAULT as error:
        _fail(stage, trial, REASON, f"{type(error).__name__}: {error}"[:2000])
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    except Exception as error:
        _fail(stage, trial, REASON, repr(error)[:2000])
        raise


def _fail(stage: Stage, trial: optuna.Trial, attribute: str, why: str) -> None:
    try:
        trial.set_user_attr(attribute, why)
    except UpdateFinishedTrialError:
        return
    stage.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
