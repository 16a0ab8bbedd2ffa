"""Worker processes on this machine: killed ones are replaced, and all are stopped together.

With one worker, too, trials are trained in a process of their own: a trial that takes the process
down with it (out of memory, a crash in native code) costs an attempt, not the study. A worker may
be a group of processes, which train each trial together.
"""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
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
from facesim.process_group import ProcessGroup, joined
from facesim.processes import Processes
from facesim.rendezvous import LocalGroup
from facesim.reporters import SilentReporter
from facesim.runs.follower import follow
from facesim.training.stop import Stopped, StopRequest, ending_together, stop_on_signals
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
_TO_BE_REPLACED = 75
"""EX_TEMPFAIL of sysexits.h: a group of processes ends with a trial that failed."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_STOPPED = (*(128 + number for number in _STOPPING), *(-number for number in _STOPPING))
"""Exit codes of a worker that gave its trial back, and of one that had none yet."""


@dataclass(frozen=True)
class Task:
    """What workers are started for; small enough to be sent to another process.

    Attributes:
        folder: the study's.
        storage: URL of the database, or None for the journal in the folder.
        winner: number of the winning trial that is to be retrained; None for the search itself.
        text: of the study's file as this command wrote it, for :meth:`Plan.read`.
        identity: as of :class:`Plan`.
        processes: of each worker.
    """

    folder: Path
    storage: str | None
    winner: int | None = None
    text: str | None = None
    identity: Identity | None = None
    processes: int = 1

    @property
    def plan(self) -> Plan:
        """What the study is about."""
        return replace(Plan.read(self.folder, self.storage, self.text), identity=self.identity)

    def queue(self, processes: Processes | None = None) -> TrialQueue:
        """The trials to train, by these processes together."""
        plan = self.plan
        if self.winner is None:
            return search_queue(plan, processes)
        return winner_queue(plan, open_study(plan).trials[self.winner], processes)


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
    workers, stillborn = [_Worker.start(context, task) for _ in range(count)], 0
    try:
        while workers:
            stop.check()
            look()
            workers[0].main.join(_SECONDS_BETWEEN_LOOKS)
            ended = [worker for worker in workers if worker.main.exitcode is not None]
            workers = [worker for worker in workers if worker not in ended]
            for worker in ended:
                worker.join()
                words, code = worker.words_said, worker.main.exitcode
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
                workers.append(_Worker.start(context, task))
    finally:
        for worker in workers:
            worker.main.terminate()
        for worker in workers:
            worker.main.join()
            worker.join()
            worker.words.close()
        with suppress(Exception):  # what ended the work is told, not that it cannot be shown
            look()


@dataclass(frozen=True)
class _Worker:
    """A worker.

    Attributes:
        main: its process, or the main one of its group.
        others: of its group.
        words: what it says of itself.
        group: by which they meet.
    """

    main: BaseProcess
    others: tuple[BaseProcess, ...]
    words: Connection
    group: LocalGroup | None

    @classmethod
    def start(cls, context: BaseContext, task: Task) -> "_Worker":
        """Start the processes of a worker."""
        receiver, sender = context.Pipe(duplex=False)
        group = LocalGroup(task.processes) if task.processes > 1 else None
        processes: list[BaseProcess] = []
        for rank in range(task.processes):
            joining = {} if group is None else group.environment(rank)
            process: BaseProcess = context.Process(  # type: ignore[attr-defined]
                target=_live, args=(task, None if rank else sender, joining)
            )
            process.start()
            processes.append(process)
        sender.close()
        return cls(processes[0], tuple(processes[1:]), receiver, group)

    def join(self) -> None:
        """Wait until the other processes have followed the main one; kill one that does not."""
        for process in self.others:
            process.join(_SECONDS_TO_STOP)
            process.kill()
            process.join()

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


def _live(task: Task, words: Connection | None, joining: Mapping[str, str]) -> None:
    """The life of a worker's process, from its arguments to its exit code.

    Args:
        task: what is to be done.
        words: of the main process, to tell the command what becomes of it.
        joining: environment variables by which a group meets; empty for a process by itself.
    """
    os.setpgrp()  # Ctrl-C reaches the parent alone, which asks each worker once to stop
    for number in _STOPPING:  # at once, until there is a trial to give back
        signal.signal(number, signal.SIG_DFL)
    Thread(target=_stop_with_parent, daemon=True).start()
    guard_terminal()
    os.environ.update(joining)
    try:
        with storage_errors_named(task.storage, task.folder):
            silence_optuna()
            if joining:
                with joined(SilentReporter()) as group:
                    _work_together(task, group, words)
            else:
                _work(task, Processes(), words)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
    except Exception as error:  # noqa: BLE001  the process ends here
        reason = _reason(error)
        if reason is not None:
            _tell(words, reason)
        else:
            print(printable(traceback.format_exc()), file=sys.stderr, flush=True)
        sys.exit(_FAILED)


def _work(task: Task, processes: Processes, words: Connection | None) -> TrialQueue:
    """Train the trials of a task; returns them."""
    queue = task.queue(processes)
    _tell(words, _BEGUN)
    torch.set_num_threads(threads_per_trial(queue.plan))
    with stop_on_signals() as stop:
        work(queue, stop)
    return queue


def _work_together(task: Task, group: ProcessGroup, words: Connection | None) -> None:
    """Train trials as the main process of a group, or follow it."""
    with ending_together(group, lambda error: _reason(error) or repr(error)):
        if not group.is_main:
            follow(task.plan.space.base, group, takes_others=True)
        elif not _work(task, group, words).is_done:
            sys.exit(_TO_BE_REPLACED)


def _reason(error: BaseException) -> str | None:
    """Why a worker ended, for a person; None for a bug."""
    told, where = describe_failure(error), kept_traceback(error)
    if isinstance(error, FacesimError):
        return str(error)
    if machine_error(error) is not None:
        return f"{in_one_line(error)}; the same command goes on with the search"
    return f"{told}; {where}" if told and where else None


def _tell(words: Connection | None, text: str) -> None:
    if words is not None:
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
