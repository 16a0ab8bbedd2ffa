"""Stopping on Ctrl-C and SIGTERM: the step under way is finished first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818  an event, not an error
    """The run was asked to stop.

    Attributes:
        exit_code: what a shell expects of a process that ends by this signal, 130 or 143.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


class TrainingCancelled(Exception):  # noqa: N818  an event, not an error
    """The run was given up after an epoch, because others do better."""


class StopRequest:
    """Remembers the first signal; the loop asks for it after each step."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def check(self) -> None:
        """Raise :class:`Stopped` if a signal has come."""
        if self.signal_number is not None:
            raise Stopped(self.signal_number)

    def _handle(self, signal_number: int, _frame: FrameType | None) -> None:
        if self.signal_number is not None:  # asked twice: do not wait for the step
            raise Stopped(signal_number)
        self.signal_number = signal_number


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM for the time of the block; a second one stops at once."""
    request = StopRequest()
    previous = {number: signal.signal(number, request._handle) for number in _SIGNALS}  # noqa: SLF001
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
