"""A study on the terminal: a live table of all workers, and the summary at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from facesim.console import Console
from facesim.tuning.study_page import failures, in_words, reuse_warning, shortfall, verdict
from facesim.tuning.summary import Retrained, Summary
from facesim.tuning.trial_queue import StudyProgress


class StudyView:
    """Shows a study: a live table on a terminal, one line per finished trial elsewhere.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, refresh_per_second=2)
        self._said: tuple[str, int] | None = None

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, progress: StudyProgress) -> None:
        """Update the table, or print a line if a trial has ended since the last one."""
        if self._console.is_terminal:
            self._live.start()  # only now: a terminal has room for one changing thing at a time
            self._live.update(_table(progress))
        elif self._said != (progress.title, progress.ended):
            self._said = progress.title, progress.ended
            self.say(_line(progress))

    def close(self) -> None:
        """Restore the terminal."""
        self._live.stop()


@contextmanager
def study_view(console: Console) -> Iterator[StudyView]:
    """A view that restores the terminal at the end."""
    view = StudyView(console)
    try:
        yield view
    finally:
        view.close()


def print_summary(console: Console, summary: Summary) -> None:
    """Print the winner beside the base experiment."""
    count = len(summary.seeds)
    table = Table(title=Text(f"{summary.study}: {summary.metric}, {count} fresh seeds"))
    table.add_column("")
    for column in ("val, in the search", "val, retrained", "test"):
        table.add_column(column, justify="right")
    winner = f"winner (trial {summary.winning_trial})"
    table.add_row(winner, f"{summary.winning_value:.4f}", *_spreads(summary, summary.winner))
    if summary.base is not None:
        base = "" if summary.base_value is None else f"{summary.base_value:.4f}"
        table.add_row("base experiment", base, *_spreads(summary, summary.base))
    console.print(table)
    console.print(verdict(summary), markup=False, highlight=False, soft_wrap=True)
    for warning in (shortfall(summary), failures(summary), reuse_warning(summary)):
        if warning is not None:
            console.print(warning, markup=False, highlight=False, soft_wrap=True)


def _spreads(summary: Summary, system: Retrained) -> tuple[str, str]:
    shown = []
    for values in (system.val, system.test):
        spread = values.get(summary.metric)
        shown.append(in_words(spread) if spread else "")
    return shown[0], shown[1]


def _table(progress: StudyProgress) -> Group:
    table = Table(title=Text(_line(progress)), title_justify="left")
    for column in ("running trial", "epochs", "seconds", "worker"):
        table.add_column(column, justify="left" if column == "worker" else "right")
    for trial in progress.running:
        numbers = str(trial.number), str(trial.epochs_done), f"{trial.seconds:.0f}"
        table.add_row(*numbers, Text(trial.where))
    return Group(table, Text(f"best so far: {progress.best or 'none yet'}"))


def _line(progress: StudyProgress) -> str:
    counts = {
        "running": len(progress.running),
        "done": progress.done,
        "pruned": progress.pruned,
        "failed": progress.failed,
        "lost and retried": progress.lost,
    }
    listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    best = f"; best {progress.best}" if progress.best else ""
    left = (
        "" if progress.seconds_left is None else f"; about {_duration(progress.seconds_left)} left"
    )
    return (
        f"{progress.title}: {progress.ended}/{progress.total} ({listed or 'starting'}){best}{left}"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
