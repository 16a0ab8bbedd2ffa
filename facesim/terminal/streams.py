"""Standard streams that are closed, full, kept for a document, or a pipe whose reader has gone."""

import errno
import os
import sys
from contextlib import suppress
from typing import Any

from facesim.console import say


def prepare_streams() -> None:
    """Let closed standard streams lead to the null device, and errors of standard output name it.

    Otherwise the next file that is opened takes the number of a closed stream, and what a library
    prints would end in a run's own files.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            _lead_to_null(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    _named_stdout()


def outlive_stdout() -> None:
    """From now on, go on where standard output cannot be written: what counts is in files.

    A reader that has gone, as of ``| head``, is no error; anything else is told once on standard
    error.
    """
    _named_stdout().is_outlived = True


def keep_stdout(*, is_used: bool = False) -> None:
    """Keep standard output for one document: what is printed goes to standard error from now on.

    That of libraries, of plugins and of processes that are started, too.

    Args:
        is_used: whether the document is there already.
    """
    global _kept
    _kept = _KeptStdout(is_used)


def release_stdout() -> None:
    """Let standard output be used as before :func:`keep_stdout`."""
    global _kept
    if _kept is not None:
        _kept.release()
        _kept = None


def awaits_document() -> bool:
    """Whether standard output is kept for a document that is not written yet."""
    return _kept is not None and not _kept.is_used


def write_document(text: str) -> None:
    """Write the document that standard output is kept for."""
    awaited = awaits_document()
    release_stdout()
    say(text)
    if awaited:  # nothing that is printed later follows it
        keep_stdout(is_used=True)


class _KeptStdout:
    """Standard output, which standard error stands in for."""

    def __init__(self, is_used: bool) -> None:
        self.is_used = is_used
        self._stream = sys.stdout
        self._stream.flush()
        self._descriptor = None
        with suppress(OSError, ValueError):  # a stream of a test has none
            if self._stream.fileno() == 1:
                self._descriptor = os.dup(1)
                os.dup2(2, 1)
        sys.stdout = sys.stderr

    def release(self) -> None:
        sys.stdout.flush()
        if self._descriptor is not None:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
        sys.stdout = self._stream


_kept: _KeptStdout | None = None


class _Stdout:
    """Standard output whose errors carry a name, or are outlived."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.is_outlived = False

    def write(self, text: str) -> int:
        if text == "":  # by which libraries ask what kind of stream this is, swallowing errors
            return 0
        try:
            self._stream.write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _lose(self, error: OSError) -> None:
        discard(self._stream)
        if not self.is_outlived:
            error.filename = "standard output"
            raise error
        if error.errno != errno.EPIPE:
            with suppress(OSError):
                sys.stderr.write(
                    f"standard output cannot be written ({error.strerror}); the command goes on, "
                    "and what it finds is in its files\n"
                )


def _named_stdout() -> _Stdout:
    if not isinstance(sys.stdout, _Stdout):
        sys.stdout = _Stdout(sys.stdout)
    return sys.stdout


def discard(stream: Any) -> None:
    """Let a stream lead to the null device, with what it still holds.

    What stays in a buffer would raise once more at the end of the process.
    """
    _lead_to_null(stream.fileno())


def _lead_to_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    os.set_inheritable(descriptor, True)
