"""Reporters of progress: bars on a terminal, lines elsewhere, or nothing."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from facesim.console import Console, say


class Advance(Protocol):
    """Advances a task. It may raise to stop the work: see `training/stop.py`."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Count ``count`` more parts as done; ``note`` is shown beside the bar until the next."""
        ...


def ignore_progress(count: int = 1, note: str = "") -> None:
    """An :class:`Advance` that shows nothing and never stops."""


class Reporter(Protocol):
    """Prints lines and shows the progress of one task at a time."""

    def say(self, text: str) -> None:
        """Print one line."""
        ...

    def task(self, title: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """Show a task of ``total`` parts, ``done`` of which are done already."""
        ...


def reporter_for(console: Console, *, quiet: bool = False) -> Reporter:
    """Bars on a terminal, plain lines elsewhere.

    Args:
        console: where they are shown.
        quiet: whether nothing is, nor any warning.
    """
    if not quiet:
        return TerminalReporter(console) if console.is_terminal else PlainReporter()
    warnings.simplefilter("ignore")
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.ERROR)
    return SilentReporter()


class TerminalReporter:
    """A progress bar with the time left, and lines above it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a bar that goes away when the task is done."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(title, total=total, completed=done, note="")

            def advance(count: int = 1, note: str = "") -> None:
                progress.advance(task, count)
                if note:
                    progress.update(task, note=note)

            yield advance


class PlainReporter:
    """Lines on standard output; a task prints one every ten seconds."""

    seconds_between_lines = 10.0

    def say(self, text: str) -> None:
        """Print a line at once, also into a pipe."""
        say(text)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Print ``title done/total, note, time left`` now and then."""
        began = last_line = time.monotonic()
        completed = done

        def advance(count: int = 1, note: str = "") -> None:
            nonlocal completed, last_line
            completed += count
            now = time.monotonic()
            if now - last_line >= self.seconds_between_lines and completed < total:
                last_line = now
                left = (now - began) / max(completed - done, 1) * (total - completed)
                shown = f", {note}" if note else ""
                self.say(f"{title} {completed}/{total}{shown}, {left:.0f} s left")

        yield advance


class SilentReporter:
    """Shows nothing; for searches, notebooks and tests."""

    def say(self, text: str) -> None:
        """Print nothing."""

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        """Show nothing."""
        yield ignore_progress


class TitledReporter:
    """A reporter that says before each task what it is a part of.

    Args:
        reporter: shows the progress.
        title: of the whole, such as ``fold 2 of 5``.
    """

    def __init__(self, reporter: Reporter, title: str) -> None:
        self._reporter = reporter
        self._title = title

    def say(self, text: str) -> None:
        """Print one line."""
        self._reporter.say(text)

    def task(self, title: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """Show a task under both titles."""
        return self._reporter.task(f"{self._title}: {title}", total, done)


class CheckedReporter:
    """A reporter whose tasks check something whenever they advance.

    Args:
        reporter: shows the progress.
        check: called at each advance; may raise to end the work.
    """

    def __init__(self, reporter: Reporter, check: Callable[[], None]) -> None:
        self._reporter = reporter
        self._check = check

    def say(self, text: str) -> None:
        """Print one line."""
        self._reporter.say(text)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a task that a failed check ends at its next advance."""
        with self._reporter.task(title, total, done) as show:

            def advance(count: int = 1, note: str = "") -> None:
                show(count, note)
                self._check()

            yield advance
