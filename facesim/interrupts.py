"""Ctrl-C, told from a KeyboardInterrupt that code raises by itself."""

import signal
from types import FrameType

_came = False


def watch_interrupts() -> None:
    """Take note of Ctrl-C, which then interrupts as before; in the main thread."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def is_ctrl_c(error: BaseException) -> bool:
    """Whether an exception is a KeyboardInterrupt that nobody but a person can have caused."""
    watched = signal.getsignal(signal.SIGINT) is _interrupt
    return isinstance(error, KeyboardInterrupt) and (_came or not watched)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    global _came
    _came = True
    raise KeyboardInterrupt
