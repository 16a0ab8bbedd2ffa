"""Worker processes on this machine: started, watched, and replaced when one is killed."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

from facesim.errors import FacesimError
from facesim.training.stop import Stopped, StopRequest, stop_on_signals

_SECONDS_BETWEEN_LOOKS = 0.5
_FAILED = 1


def run_workers(
    folder: Path,
    storage: str | None,
    winner: int | None,
    count: int,
    stop: StopRequest,
    look: Callable[[], None],
) -> None:
    """Let processes make the trials of a study until there are enough.

    A process that is killed is replaced; its trial is taken up by whoever reaps it.

    Args:
        folder: the study's.
        storage: URL of the database, or None for the journal in the folder.
        winner: number of the winning trial that is to be trained again; None for the search.
        count: how many processes.
        stop: asked while waiting.
        look: called now and then, to show how it goes.

    Raises:
        Stopped: a signal came; every process has given its trial back.
        FacesimError: a process failed by itself.
    """
    context = _context()
    threads = max(1, _processors() // count)
    arguments = (folder, storage, winner, threads)
    processes = [_begin(context, arguments) for _ in range(count)]
    try:
        while processes:
            stop.check()
            look()
            processes[0].join(_SECONDS_BETWEEN_LOOKS)
            ended = [process for process in processes if process.exitcode is not None]
            _require_no_failure(ended)
            killed = [process for process in ended if (process.exitcode or 0) < 0]
            processes = [process for process in processes if process not in ended]
            processes += [_begin(context, arguments) for _ in killed]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        look()


def _context() -> BaseContext:
    """Processes that begin with torch imported already, where the platform can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["facesim.tuning.winner", "facesim.tuning.worker"])
    return context


def _begin(
    context: BaseContext, arguments: tuple[Path, str | None, int | None, int]
) -> BaseProcess:
    process: BaseProcess = context.Process(target=_work, args=arguments)  # type: ignore[attr-defined]
    process.start()
    return process


def _require_no_failure(ended: list[BaseProcess]) -> None:
    if any(process.exitcode == _FAILED for process in ended):
        raise FacesimError("a worker failed; what it printed says why. The study can be resumed")


def _work(folder: Path, storage: str | None, winner: int | None, threads: int) -> None:
    """A worker's life, from its arguments to its exit code."""
    os.setpgrp()  # Ctrl-C reaches the parent alone, which asks each worker once to stop
    Thread(target=_stop_with_parent, daemon=True).start()
    try:
        with stop_on_signals() as stop:
            _make_trials(folder, storage, winner, threads, stop)
    except Stopped as stopped:
        sys.exit(stopped.exit_code)
    except FacesimError as error:
        print(error, file=sys.stderr, flush=True)
        sys.exit(_FAILED)
    except Exception:  # noqa: BLE001  the process ends here, and with it the traceback
        traceback.print_exc()
        sys.exit(_FAILED)


def _stop_with_parent() -> None:
    """Give the trial back if the process that started this one is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _make_trials(
    folder: Path, storage: str | None, winner: int | None, threads: int, stop: StopRequest
) -> None:
    import torch

    from facesim.tuning.plan import Plan
    from facesim.tuning.study import open_study, quieten, search_stage
    from facesim.tuning.winner import winner_stage
    from facesim.tuning.worker import work

    torch.set_num_threads(threads)
    quieten()
    plan = Plan.read(folder, storage)
    if winner is None:
        stage = search_stage(plan)
    else:
        stage = winner_stage(plan, open_study(plan).trials[winner])
    work(stage, stop)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1
