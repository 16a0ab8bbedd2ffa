"""Progress in Jupyter: a bar in the output of the cell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module

from facesim.console import Console, say
from facesim.reporters import Advance, Reporter, reporter_for

_SECONDS_BETWEEN_UPDATES = 0.2


def notebook_reporter() -> Reporter:
    """A bar in Jupyter; what the command line has elsewhere."""
    console = Console()
    return JupyterReporter() if console.is_jupyter else reporter_for(console)


class JupyterReporter:
    """Lines, and a bar of the browser that goes away when its task is done.

    rich has a bar for Jupyter as well, which needs ipywidgets in the kernel and its extension in
    the front end, and without them shows nothing. This one needs IPython's display alone, and a
    saved notebook keeps no widget that cannot be drawn.
    """

    def say(self, text: str) -> None:
        """Print one line."""
        say(text)

    @contextmanager
    def task(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a bar with the time left."""
        display = import_module("IPython.display")
        bar = display.display(display.HTML(_bar(title, done, total, "")), display_id=True)
        began = last_update = time.monotonic()
        completed, shown = done, ""

        def advance(count: int = 1, note: str = "") -> None:
            nonlocal completed, shown, last_update
            completed += count
            shown = note or shown
            now = time.monotonic()
            if now - last_update >= _SECONDS_BETWEEN_UPDATES:
                last_update = now
                left = (now - began) / max(completed - done, 1) * (total - completed)
                notes = f"{shown}, {left:.0f} s left" if shown else f"{left:.0f} s left"
                bar.update(display.HTML(_bar(title, completed, total, notes)))

        try:
            yield advance
        finally:
            bar.update(display.HTML(""))


def _bar(title: str, done: int, total: int, notes: str) -> str:
    bar = f'<progress value="{done}" max="{total}"></progress>'
    return f"{escape(title)} {bar} {done}/{total} {escape(notes)}"
