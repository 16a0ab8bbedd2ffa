"""How long-running work tells a person where it is."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


class Advance(Protocol):
    """Tells that some of a task is done."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """``note`` is shown beside the bar until the next one."""
        ...


class Reporter(Protocol):
    """Says things and shows the progress of one task at a time."""

    def say(self, text: str) -> None:
        """One line for the reader."""
        ...

    def task(self, title: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """A task of ``total`` parts, ``done`` of which are done already."""
        ...


def reporter_for(console: Console) -> Reporter:
    """Bars on a terminal, plain lines elsewhere."""
    return TerminalReporter(console) if console.is_terminal else PlainReporter()


class TerminalReporter:
    """A bar with rate and time left, and lines above it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a bar that goes away when the task is done."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(title, total=total, completed=done, note="")

            def advance(count: int = 1, note: str = "") -> None:
                progress.advance(task, count)
                if note:
                    progress.update(task, note=note)

            yield advance


class PlainReporter:
    """Lines on standard output, one every ten seconds while a task goes on."""

    seconds_between_lines = 10.0

    def say(self, text: str) -> None:
        """Print a line at once, also into a pipe."""
        print(text, file=sys.stdout, flush=True)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Print ``title done/total (note), time left`` now and then."""
        began = spoke = time.monotonic()
        completed = done

        def advance(count: int = 1, note: str = "") -> None:
            nonlocal completed, spoke
            completed += count
            now = time.monotonic()
            if now - spoke >= self.seconds_between_lines and completed < total:
                spoke = now
                left = (now - began) / max(completed - done, 1) * (total - completed)
                said = f", {note}" if note else ""
                self.say(f"{title} {completed}/{total}{said}, {left:.0f} s left")

        yield advance


class SilentReporter:
    """Says nothing; for tests, notebooks and searches."""

    def say(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        """Show nothing."""

        def advance(count: int = 1, note: str = "") -> None:
            """Show nothing."""

        yield advance
