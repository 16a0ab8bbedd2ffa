"""A worker's loop: claim a trial, train it, tell the study how it ended, until all are done."""

import multiprocessing
import time
from contextlib import suppress

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from pydantic import ValidationError

from facesim.errors import DataError, FacesimError
from facesim.heartbeats import GroupFailedError
from facesim.machine_errors import MachineError, chain, is_out_of_memory, machine_error
from facesim.training.stop import Stopped, StopRequest, TrainingCancelled
from facesim.tuning.liveness import ProcessIdentity, Reaper, heartbeat
from facesim.tuning.storage import (
    COMMAND,
    DIGEST,
    FRUITLESS,
    HELD_UP,
    IS_BASE,
    LOST,
    MOST_FRUITLESS,
    PAUSED,
    PROCESS,
    REASON,
    STOPPED,
    SURPLUS,
    digest_of,
)
from facesim.tuning.trial_queue import TrialQueue

_SECONDS_BETWEEN_LOOKS = 0.5
_TRIALS_OWN_FAULT = (FacesimError, ValidationError, RuntimeError)
"""What a point of the space may raise, if it is no error of the machine: torch reports wrong shapes
as a RuntimeError."""


def work(queue: TrialQueue, stop: StopRequest) -> None:
    """Train trials until there are as many as asked for, and none of another process is left.

    A group of several processes also ends with a trial that failed, since its other processes may
    wait for a step that never comes: another group goes on.

    Args:
        queue: which trials.
        stop: asked between two trials; within one, the run's own catches the signal.

    Raises:
        Stopped: a signal came; the running trial is given back with its checkpoint.
    """
    reaper = Reaper(queue.study, shared=queue.plan.storage is not None)
    while True:
        stop.check()
        trial = _claim(queue, reaper)
        if trial is not None:
            if not _train(queue, trial, stop) and queue.processes.size > 1:
                return
        elif queue.is_done:
            return
        else:
            time.sleep(_SECONDS_BETWEEN_LOOKS)  # another's trial may yet be lost and come back


def _claim(queue: TrialQueue, reaper: Reaper) -> optuna.Trial | None:
    """The next trial, signed by this process; None if all have been begun."""
    with queue.plan.locked():
        reaper.reap()
        if not queue.is_open:
            return None
        queue.before_asking()
        trial = queue.study.ask()
        # In this order: who has signed is no longer taken for dead.
        trial.set_user_attr(COMMAND, _command().as_attributes())
        trial.set_user_attr(PROCESS, ProcessIdentity.here().as_attributes())
    if queue.is_surplus(trial.number):
        _fail(queue, trial, LOST, SURPLUS)
        return None
    return None if _is_given_up(queue, trial) else trial


def _command() -> ProcessIdentity:
    """The process that started this one as a worker, or this one itself."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return ProcessIdentity.here()
    return ProcessIdentity.of(parent.pid)


def _is_given_up(queue: TrialQueue, trial: optuna.Trial) -> bool:
    """Give a trial up that was held up, or took down its process, too often; never the base's.

    Raises:
        MachineError: it is the base experiment's, which all others are compared with.
    """
    if trial.user_attrs.get(FRUITLESS, 0) < MOST_FRUITLESS:
        return False
    why = (
        f"{MOST_FRUITLESS} attempts in a row came no further: they were killed, ran out of memory "
        "or could not read their data"
    )
    if trial.user_attrs.get(IS_BASE):
        _fail(queue, trial, LOST, PAUSED)
        raise MachineError(
            f"the base experiment: {why}; it is not given up, because all trials are compared with "
            "it: free some memory or make it smaller, and start the same command again"
        )
    _fail(queue, trial, REASON, why)
    return True


def _train(queue: TrialQueue, trial: optuna.Trial, stop: StopRequest) -> bool:
    """Train a trial, and tell the study how it ended; returns False if it failed."""
    try:
        with heartbeat(trial):
            values = queue.train(trial, stop)
        digest = digest_of(trial.params, values, trial.user_attrs)
        trial.set_user_attr(DIGEST, digest)
        queue.study.tell(trial, values, skip_if_finished=True)
    except TrainingCancelled:
        queue.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    except UpdateFinishedTrialError:
        pass  # another machine took this process for dead, and the trial is repeated
    except Stopped:
        _fail(queue, trial, LOST, STOPPED)
        raise
    except GroupFailedError as error:
        if error.failure.is_reported:
            _fail(queue, trial, LOST, STOPPED)
            raise
        _fail(queue, trial, LOST, HELD_UP)  # as where a process that works alone is killed
        return False
    except Exception as error:
        of_machine = machine_error(error) is not None
        if of_machine or any(isinstance(each, DataError) for each in chain(error)):
            # No fault of the point's, unless it happens again and again.
            counts = is_out_of_memory(error) or not of_machine
            with suppress(Exception):  # it may be the storage; then the next start finds the trial
                _fail(queue, trial, LOST, HELD_UP if counts else STOPPED)
            raise
        if not isinstance(error, _TRIALS_OWN_FAULT):
            _fail(queue, trial, REASON, repr(error)[:2000])
            raise
        _fail(queue, trial, REASON, f"{type(error).__name__}: {error}"[:2000])
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False
    return True


def _fail(queue: TrialQueue, trial: optuna.Trial, attribute: str, why: str) -> None:
    try:
        trial.set_user_attr(attribute, why)
    except UpdateFinishedTrialError:
        return
    queue.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
