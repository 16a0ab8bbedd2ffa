"""Worker processes on this machine: killed ones are replaced, and all are stopped together.

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
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import torch

from facesim.console import guard_terminal, printable
from facesim.errors import FacesimError
from facesim.machine_errors import (
    in_one_line,
    machine_error,
)
from facesim.plugin_failures import describe_failure, kept_traceback
from facesim.training.stop import Stopped, StopRequest, stop_on_signals
from facesim.tuning.identity import Identity
from facesim.tuning.storage import (
    MOST_FRUITLESS,
    storage_errors_named,
)
from facesim.tuning.study import Plan, open_study, silence_optuna, threads_per_trial
from facesim.tuning.trial import search_queue
from facesim.tuning.trial_loop import work
from facesim.tuning.trial_queue import TrialQueue
from facesim.tuning.winner import winner_queue

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_STOP = 60.0
_FAILED = 1
_BEGUN = "begun"
_SEE_OUTPUT = "a worker failed; see its output. The study can be resumed"
_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@dataclass(frozen=True)
class Task:
    """What workers are started for; small enough to be sent to another process.

    Attributes:
        folder: the study's.
        storage: URL of the database, or None for the journal in the folder.
        winner: number of the winning trial that is to be retrained; None for the search itself.
        text: of the study's file as this command wrote it, for :meth:`Plan.read`.
        identity: as of :class:`Plan`.
    """

    folder: Path
    storage: str | None
    winner: int | None = None
    text: str | None = None
    identity: Identity | None = None

    def queue(self) -> TrialQueue:
        """The trials to train."""
        plan = Plan.read(self.folder, self.storage, self.text)
        plan = replace(plan, identity=self.identity)
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

    def begin() -> "_Worker":
        receiver, sender = context.Pipe(duplex=False)
        process: BaseProcess = context.Process(target=_live, args=(task, sender))  # type: ignore[attr-defined]
        process.start()
        sender.close()
        return _Worker(process, receiver)

    workers, stillborn = [begin() for _ in range(count)], 0
    try:
        while workers:
            stop.check()
            look()
            workers[0].process.join(_SECONDS_BETWEEN_LOOKS)
            ended = [worker for worker in workers if worker.process.exitcode is not None]
            workers = [worker for worker in workers if worker not in ended]
            for worker in ended:
                words, code = worker.words_said, worker.process.exitcode
                if code == _FAILED:
                    said = words and words[-1] != _BEGUN
                    raise FacesimError(words[-1] if said else _SEE_OUTPUT)
                if code in (0, *_STOPPED):
                    continue
                stillborn = 0 if words else stillborn + 1
                if stillborn == MOST_FRUITLESS:
                    raise FacesimError(
                        f"{stillborn} workers in a row ended with {code} before they could begin a "
                        "trial; is there enough memory, or does a plugin end the process?"
                    )
                workers.append(begin())
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.words.close()
        with suppress(Exception):  # what ended the work is told, not that it cannot be shown
            look()


@dataclass(frozen=True)
class _Worker:
    """A worker process and what it says of itself."""

    process: BaseProcess
    words: Connection

    @property
    def words_said(self) -> list[str]:
        """That it has begun to work, and why it failed."""
        said = []
        with suppress(EOFError):
            while self.words.poll():
                said.append(str(self.words.recv()))
        return said


def _context() -> BaseContext:
    """Processes that begin with torch imported already, where the platform can.

    Not plain ``fork``: threads of the parent (torch's, a database's) do not survive it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _live(task: Task, words: Connection) -> None:
    """A worker's life, from its arguments to its exit code."""
    os.setpgrp()  # Ctrl-C reaches the parent alone, which asks each worker once to stop
    Thread(target=_stop_with_parent, daemon=True).start()
    guard_terminal()
    try:
        with stop_on_signals() as stop, storage_errors_named(task.storage, task.folder):
            silence_optuna()
            queue = task.queue()
            _tell(words, _BEGUN)
            torch.set_num_threads(threads_per_trial(queue.plan))
            work(queue, stop)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
    except Exception as error:  # noqa: BLE001  the process ends here
        told, where = describe_failure(error), kept_traceback(error)
        if isinstance(error, FacesimError):
            _tell(words, str(error))
        elif machine_error(error) is not None:
            _tell(words, f"{in_one_line(error)}; the same command goes on with the search")
        elif told and where:
            _tell(words, f"{told}; {where}")
        else:
            print(printable(traceback.format_exc()), file=sys.stderr, flush=True)
        sys.exit(_FAILED)


def _tell(words: Connection, text: str) -> None:
    with suppress(BrokenPipeError):  # the parent was killed, and there is nobody to tell
        words.send(text)


def _stop_with_parent() -> None:
    """Give the trial back if the process that started this one is killed.

    Whatever this one waits for then (a lock, a database out of reach, a call that lets no signal
    through), it ends: another process finds the trial as that of a dead one.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_SECONDS_TO_STOP)
        os._exit(128 + signal.SIGTERM)
