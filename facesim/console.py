"""Everything that facesim prints: characters that would steer a terminal are shown, not sent.

File names, keys of experiment files, labels, arguments and plugins' errors may hold escape
sequences, which clear the screen, rewrite lines or retitle the window, and marks of writing
direction, which let text appear in another order than it has.
"""

import logging
import re
import sys
import traceback
import warnings
from collections.abc import Iterable
from functools import cache
from io import TextIOWrapper
from typing import Any

import rich.console
from rich.segment import Segment

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, overrides and isolates of direction
    "\u2028\u2029\ud800-\udfff]"  # further line ends; halves of a surrogate pair
)


def printable(text: str) -> str:
    r"""Text in which what steers a terminal is written out: ``\x1b``, ``\u202e``.

    Line feeds and tabs stay. A byte of a file's name that is not UTF-8 is written ``\xff``.
    """
    return _STEERING.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Console(rich.console.Console):
    """rich's console, which sends no control character but its own."""

    def render(
        self,
        renderable: rich.console.RenderableType,
        options: rich.console.ConsoleOptions | None = None,
    ) -> Iterable[Segment]:
        """The segments of something to print."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


def say(text: object) -> None:
    """Print a line on standard output at once, also into a pipe."""
    print(printable(str(text)), flush=True)


@cache
def warn_once(text: str) -> None:
    """Log a warning, unless this process has logged the same before."""
    logging.getLogger("facesim").warning("%s", text)


def guard_terminal() -> None:
    """Let what others print, such as logged warnings and tracebacks, be printable as well.

    What the terminal's encoding lacks is written out instead of an error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_PrintableFormatter())
    warnings.formatwarning = _format_warning
    sys.excepthook = _print_exception


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


_format_of_python = warnings.formatwarning


def _format_warning(*arguments: Any, **named: Any) -> str:
    return printable(_format_of_python(*arguments, **named))


def _print_exception(kind: type[BaseException], error: BaseException, frames: Any) -> None:
    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, frames))))
