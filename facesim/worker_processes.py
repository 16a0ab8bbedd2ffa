"""A pool of processes for work on many files."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import parent_process
from threading import Thread
from typing import Any

from facesim.machine_errors import MachineError


@contextmanager
def worker_pool(
    most: int, doing: str, begin: Callable[..., object] | None = None, *arguments: Any
) -> Iterator[Executor]:
    """Processes that ignore Ctrl-C, and end with this one however it ends.

    Args:
        most: processes; fewer where there are fewer processors.
        doing: what they do, for the error: ``reads images``.
        begin: called in each of them first, with the arguments.
        arguments: of ``begin``.

    Raises:
        MachineError: one of them was killed.
    """
    workers = min(os.cpu_count() or 1, most)
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(begin, arguments)) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise MachineError(
                f"a process that {doing} was killed; probably memory ran out"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(begin: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal; the main one handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A killed main process closes no queue, and its workers would wait for it for ever.
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
