"""What ``facesim --help`` prints, drawn as typer 0.29 does, without importing it or any command.

To import typer, rich and the commands takes four times as long as Python takes to start. Tests hold
the page to the commands, their first lines and the look of that typer.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import wrap

SUMMARY = "Train and compare face-verification systems honestly."

OPTIONS = {
    "--version": "Print the version and exit.",
    "--traceback": "Print the traceback of an error; may stand anywhere.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the "
    "installation.",
    "--help": "Show this message and exit.",
}

COMMANDS = {
    "run": "Train and evaluate an experiment; writes a run directory.",
    "check": "Validate an experiment, build all components and dry-run one step; writes nothing.",
    "lint": "Lint the data of an experiment; trains nothing. Exits with 1 if a finding stops a "
    "run.",
    "optimize": "Search the space that an experiment declares; retrain the winner, then test it.",
    "pack": "Pack a trained run into a folder that verifies faces, and measure the packed files "
    "again.",
    "schema": "Print the JSON Schema of experiment files, with the parameters of all plugins.",
    "plugins": "List plugins, or describe one: parameters, defaults and origin.",
    "doctor": "Check environment and plugins; exits with 1 if something is wrong.",
    "eval": "Evaluate a trained run on test or on other data, with thresholds from val.",
    "report": "Write a run's report: one self-contained HTML file.",
    "compare": "Compare runs: differences in configuration and metrics, and their significance.",
    "verify": "Verify whether two photographs show the same person.",
    "enroll": "Enroll people into a gallery; the same command goes on where it was interrupted.",
    "search": "Search a gallery for the person in a photograph: the most similar identities.",
    "data": "Prepare data sets.",
    "cache": "Manage the trunk cache.",
    "new": "Create plugins and experiments from templates.",
    "gallery": "Manage galleries of enrolled people.",
}

NARROWEST = 60
"""Columns below which typer shortens names."""

STEERING = (
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "NO_COLOR",
    "PY_COLORS",
    "RANK",
    "TERMINAL_WIDTH",
    "TTY_COMPATIBLE",
    "TYPER_USE_RICH",
    "_FACESIM_COMPLETE",
    "_TYPER_FORCE_DISABLE_TERMINAL",
)
"""Environment variables that typer, rich, a shell or torchrun change what is printed by."""

_BOLD = "1"
_DIM = "2"
_NAME = "1;36"
_TYPE = "1;33"
_BRACKET = "1;2;33"
_SWITCH = "1;32"
_Words = tuple[tuple[str, str], ...]
"""Each with its style."""
_Rows = dict[_Words, str]
"""Each a label with the text beside it."""


def print_front_page() -> bool:
    """Print the page, if nothing asks for another look of it; returns whether it is printed.

    False also where it cannot be written, which whoever tries next will say.
    """
    program, width = _program(), _width()
    if program is None or width < NARROWEST or not _is_ordinary():
        return False
    try:
        sys.stdout.write(front_page(program, width, coloured=sys.stdout.isatty()))
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _program() -> str | None:
    """How facesim was called; None is for typer to find out."""
    package = getattr(sys.modules["__main__"], "__package__", None)
    called = (package or "", Path(sys.argv[0]).name)
    return {
        ("", "facesim"): "facesim",
        ("facesim", "__main__.py"): "python -m facesim",
    }.get(called)


def _is_ordinary() -> bool:
    """Whether the page is for a reader of UTF-8, and in colour exactly if that is a terminal."""
    return (
        os.name == "posix"
        and sys.stdout is not None
        and str(sys.stdout.encoding).lower().startswith("utf")
        and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
        and not any(name in os.environ for name in STEERING)
    )


def _width() -> int:
    """The columns of the terminal, as rich finds them."""
    if (columns := os.environ.get("COLUMNS", "")).isdecimal():
        return int(columns)
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            return os.get_terminal_size(descriptor).columns or 80
    return 80


def front_page(program: str, width: int, *, coloured: bool) -> str:
    """The page, each line as wide as the terminal.

    Args:
        program: how facesim was called.
        width: columns, at least :data:`NARROWEST`.
        coloured: with the control sequences of a terminal.
    """
    interpreter, switch, name = program.rpartition("-m")
    usage = (
        ("Usage: ", _TYPE),
        (interpreter, _BOLD),
        (switch, _SWITCH),
        (f"{name} [OPTIONS] COMMAND [ARGS]...", _BOLD),
    )
    flag = (("<", _BRACKET), ("bool", _TYPE), (">", _BRACKET))
    beside = max(map(len, OPTIONS)) + 8  # of typer's columns for short names, which are empty
    options: _Rows = {((name.ljust(beside), _NAME), *flag): it for name, it in OPTIONS.items()}
    longest = max(map(len, COMMANDS))
    commands: _Rows = {((name.ljust(longest), _NAME),): it for name, it in COMMANDS.items()}
    padding = " " * (width - 1 - sum(len(word) for word, _ in usage))
    lines = [
        " " * width,
        f" {_styled(usage, coloured)}{padding}",
        " " * width,
        f" {SUMMARY}".ljust(width),
        " " * width,
        *_panel("Options", options, width, coloured),
        *_panel("Commands", commands, width, coloured),
        "",
    ]
    return "".join(f"{line}\n" for line in lines)


def _panel(title: str, rows: _Rows, width: int, coloured: bool) -> Iterator[str]:
    """A box of rows, each on as many lines as its text takes."""
    edge = _styled((("│", _DIM),), coloured)
    yield _styled(((f"╭─ {title} ".ljust(width - 1, "─") + "╮", _DIM),), coloured)
    for label, text in rows.items():
        indent = sum(len(word) for word, _ in label)
        beside = width - indent - 6
        first, *more = wrap(text, beside, break_on_hyphens=False)
        yield f"{edge} {_styled(label, coloured)}  {first.ljust(beside)} {edge}"
        for line in more:
            yield f"{edge} {' ' * indent}  {line.ljust(beside)} {edge}"
    yield _styled((("╰".ljust(width - 1, "─") + "╯", _DIM),), coloured)


def _styled(words: _Words, coloured: bool) -> str:
    return "".join(f"\033[{style}m{word}\033[0m" if coloured else word for word, style in words)
