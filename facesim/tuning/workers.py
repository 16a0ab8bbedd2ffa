"""Worker processes on this machine: each trains trial after trial; killed ones are replaced.

With one worker, too, trials are trained in a process of their own: a trial that takes the process
down with it (out of memory, a crash in native code) costs an attempt, not the study.
"""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from pydantic import ValidationError

from facesim.console import guard_terminal, printable
from facesim.errors import FacesimError
from facesim.plugin_failures import describe_failure, kept_traceback
from facesim.training.stop import Stopped, StopRequest, TrainingCancelled, stop_on_signals
from facesim.tuning.liveness import ProcessIdentity, Reaper, heartbeat
from facesim.tuning.storage import LOST, PROCESS, REASON, STOPPED, SURPLUS
from facesim.tuning.study import Plan, open_study, silence_optuna
from facesim.tuning.trial import search_queue
from facesim.tuning.trial_queue import TrialQueue
from facesim.tuning.winner import winner_queue

_SECONDS_BETWEEN_LOOKS = 0.5
_FAILED = 1
_TRIALS_OWN_FAULT = (FacesimError, ValidationError, RuntimeError, MemoryError)
"""What a point of the space may raise: torch reports wrong shapes and full memory so."""


@dataclass(frozen=True)
class Task:
    """What workers are started for; small enough to be sent to another process.

    Attributes:
        folder: the study's.
        storage: URL of the database, or None for the journal in the folder.
        winner: number of the winning trial that is to be retrained; None for the search itself.
        written: digest of the study's file as this command wrote it, for :meth:`Plan.read`.
    """

    folder: Path
    storage: str | None
    winner: int | None = None
    written: str | None = None

    def queue(self) -> TrialQueue:
        """The trials to train."""
        plan = Plan.read(self.folder, self.storage, self.written)
        if self.winner is None:
            return search_queue(plan)
        return winner_queue(plan, open_study(plan).trials[self.winner])


def run_workers(task: Task, count: int, stop: StopRequest, look: Callable[[], None]) -> None:
    """Start processes that train the trials of a study until there are enough.

    A process that is killed is replaced; its trial is repeated by whoever reaps it.

    Args:
        task: which trials.
        count: number of processes.
        stop: asked while waiting.
        look: called now and then, to show progress.

    Raises:
        Stopped: a signal came; every process has given its trial back.
        FacesimError: a process failed by itself.
    """
    context = _context()
    threads = max(1, _processors() // count)

    def begin() -> BaseProcess:
        process: BaseProcess = context.Process(target=_live, args=(task, threads))  # type: ignore[attr-defined]
        process.start()
        return process

    processes = [begin() for _ in range(count)]
    try:
        while processes:
            stop.check()
            look()
            processes[0].join(_SECONDS_BETWEEN_LOOKS)
            ended = [process for process in processes if process.exitcode is not None]
            if any(process.exitcode == _FAILED for process in ended):
                raise FacesimError("a worker failed; see its output. The study can be resumed")
            processes = [process for process in processes if process not in ended]
            processes += [begin() for process in ended if (process.exitcode or 0) < 0]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        look()


def work(queue: TrialQueue, stop: StopRequest) -> None:
    """Train trials until there are as many as asked for, and none of another process is left.

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
            _train(queue, trial, stop)
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
        trial.set_user_attr(PROCESS, ProcessIdentity.here().as_attributes())
    if queue.is_surplus(trial.number):
        _fail(queue, trial, LOST, SURPLUS)
        return None
    return trial


def _train(queue: TrialQueue, trial: optuna.Trial, stop: StopRequest) -> None:
    """Train a trial, and tell the study how it ended."""
    try:
        with heartbeat(trial):
            values = queue.train(trial, stop)
        queue.study.tell(trial, values, skip_if_finished=True)
    except TrainingCancelled:
        queue.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return  # another machine took this process for dead, and the trial is repeated
    except Stopped:
        _fail(queue, trial, LOST, STOPPED)
        raise
    except _TRIALS_OWN_FAULT as error:
        _fail(queue, trial, REASON, f"{type(error).__name__}: {error}"[:2000])
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    except Exception as error:
        _fail(queue, trial, REASON, repr(error)[:2000])
        raise


def _fail(queue: TrialQueue, trial: optuna.Trial, attribute: str, why: str) -> None:
    try:
        trial.set_user_attr(attribute, why)
    except UpdateFinishedTrialError:
        return
    queue.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def _context() -> BaseContext:
    """Processes that begin with torch imported already, where the platform can.

    Not plain ``fork``: threads of the parent (torch's, a database's) do not survive it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _live(task: Task, threads: int) -> None:
    """A worker's life, from its arguments to its exit code."""
    os.setpgrp()  # Ctrl-C reaches the parent alone, which asks each worker once to stop
    Thread(target=_stop_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    guard_terminal()
    try:
        with stop_on_signals() as stop:
            silence_optuna()
            work(task.queue(), stop)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
    except FacesimError as error:
        print(printable(str(error)), file=sys.stderr, flush=True)
        sys.exit(_FAILED)
    except Exception as error:  # noqa: BLE001  the process ends here, and with it the traceback
        told = describe_failure(error)
        where = kept_traceback(error)
        line = f"{told}; {where}" if told and where else traceback.format_exc()
        print(printable(line), file=sys.stderr, flush=True)
        sys.exit(_FAILED)


def _stop_with_parent() -> None:
    """Give the trial back if the process that started this one is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1
