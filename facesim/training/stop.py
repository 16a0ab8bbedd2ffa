"""Stopping on Ctrl-C and SIGTERM, once the step under way is finished."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from facesim.heartbeats import GroupFailedError
from facesim.process_group import ProcessGroup
from facesim.processes import Processes
from facesim.reporters import Advance, CheckedReporter, Reporter

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ECHO_SECONDS = 3.0


class Stopped(Exception):  # noqa: N818  an event, not an error
    """The run was asked to stop.

    Attributes:
        exit_code: what a shell expects of a process that ends by this signal, 130 or 143.
        at_once: whether it came in the middle of something, whose state is not to be kept.
    """

    def __init__(self, signal_number: int, *, at_once: bool = False) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number
        self.at_once = at_once


class TrainingCancelled(Exception):  # noqa: N818  an event, not an error
    """Raised to end training early after an epoch."""


class StopRequest:
    """Remembers the first signal until the work comes to a place where it can stop.

    Args:
        processes: of which another one may have been asked to stop.
    """

    def __init__(self, processes: Processes | None = None) -> None:
        self.signal_number: int | None = None
        self._processes = processes or Processes()
        self._came = 0.0

    def check(self) -> None:
        """Raise :class:`Stopped` if a signal has been received."""
        number = self.signal_number or self._processes.requested_stop
        if number is not None:
            raise Stopped(number)

    def _handle(self, signal_number: int, _frame: FrameType | None) -> None:
        # What launches several processes sends on to each what the terminal has sent already.
        is_echo = self._processes.size > 1 and time.monotonic() - self._came < _ECHO_SECONDS
        if self.signal_number is not None and not is_echo:  # asked twice: do not wait for the step
            raise Stopped(signal_number, at_once=True)
        if self.signal_number is None:
            self.signal_number, self._came = signal_number, time.monotonic()
            self._processes.request_stop(signal_number)


class InterruptibleReporter(CheckedReporter):
    """A reporter whose tasks raise :class:`Stopped` once a stop was requested.

    So whatever shows its progress can be stopped, at the places where it can go on later.

    Args:
        reporter: shows the progress.
        stop: asked each time that a task advances.

    Attributes:
        plain: the reporter itself, for work that cannot be gone on with later.
    """

    def __init__(self, reporter: Reporter, stop: StopRequest) -> None:
        super().__init__(reporter, stop.check)
        self.plain = reporter
        self._stop = stop

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a task that a stop request ends at its next advance."""
        with super().task(title, total, done) as advance:
            try:
                yield advance
            except GroupFailedError:  # in the middle of a step, whose state is not to be saved
                raise
            except Exception:
                # A signal to the whole process group also ends the workers that decode images,
                # which then looks like a failure of theirs.
                self._stop.check()
                raise


@contextmanager
def stop_on_signals(processes: Processes | None = None) -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM in the block; a second one raises :class:`Stopped` at once.

    A request that came after the block's last check is handed to the block around it.

    Args:
        processes: of which any may be asked to stop; this one alone by default.
    """
    request = StopRequest(processes)
    previous = {number: signal.signal(number, request._handle) for number in _SIGNALS}  # noqa: SLF001
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
            around = getattr(handler, "__self__", None)
            if isinstance(around, StopRequest) and around.signal_number is None:
                around.signal_number = request.signal_number


@contextmanager
def stoppable(processes: Processes) -> Iterator[Processes]:
    """Let a signal to any of several processes stop them all, where their progress is shown.

    One that works alone is ended by a signal as any program is.

    Raises:
        Stopped: a signal came.
    """
    if processes.size == 1:
        yield processes
        return
    with stop_on_signals(processes) as stop:
        yield replace(processes, reporter=InterruptibleReporter(processes.reporter, stop))


@contextmanager
def ending_together(
    group: ProcessGroup, describe: Callable[[BaseException], str]
) -> Iterator[None]:
    """Tell the other processes of a group how the block ends on this one.

    Args:
        group: whose main process ends the block of the others by ending its own.
        describe: what ended the block, for a person.
    """
    try:
        yield
        if group.is_main:
            group.request("end")
    except GroupFailedError:
        raise
    except Stopped as stopped:
        if stopped.at_once:
            group.heartbeats.report("was stopped at once")
        else:
            group.request("end")
        raise
    except BaseException as error:
        group.heartbeats.report(describe(error))
        raise
