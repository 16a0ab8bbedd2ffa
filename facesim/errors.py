"""Errors for the person who reads them, and how such texts count and guess."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from textwrap import indent


class FacesimError(Exception):
    """A mistake of the user or a fault of the environment, worded for the person who reads it.

    The command line prints its text without a traceback and exits with code 2.
    """


class PluginError(FacesimError):
    """A plugin that breaks the rules of registration, cannot be imported, or does not exist."""


class DataError(FacesimError):
    """Data that cannot be used: a bad row, a missing image, an unreadable file."""


@dataclass(frozen=True)
class PluginFailure:
    """A module that could not be imported, and so registered no plugins.

    Attributes:
        module: its name, or the path of its file.
        origin: the distribution that names it, with its version; or the experiment.
        reason: one line, the exception's own.
        traceback: the plugin's own frames, as text; empty where the reason says all.
        declared: the (plural of the kind, name) pairs that its source registers, as far as they
            can be read without running it.
        attempted: whether importing it was tried at all.
    """

    module: str
    origin: str
    reason: str
    traceback: str = ""
    declared: frozenset[tuple[str, str]] = frozenset()
    attempted: bool = True

    def __str__(self) -> str:
        what = "failed to import" if self.attempted else "was not imported"
        return f"{self.module} ({self.origin}) {what}: {self.reason}"

    def with_traceback(self) -> str:
        """The failure and, in the lines below it, the traceback."""
        return f"{self}\n{indent(self.traceback, '    ')}" if self.traceback else str(self)


_LONGEST_GUESSED = 200
_MOST_GUESSED = 10_000


def did_you_mean(wrong: str, known: Sequence[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest of ``known``, or an empty string."""
    close = nearest(wrong, known)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def nearest(wrong: str, known: Sequence[str]) -> list[str]:
    """Up to three of ``known`` that resemble ``wrong``, whatever their case, nearest first.

    A very long text resembles nothing, and of very many names the first are looked at.
    """
    if len(wrong) > _LONGEST_GUESSED:
        return []
    # The time grows with the number of names; a file may have a hundred thousand of them.
    lowered = {name.lower(): name for name in known[:_MOST_GUESSED]}
    return [lowered[name] for name in get_close_matches(wrong.lower(), lowered)]


def listed(names: Sequence[str]) -> str:
    """``train``, ``train and val``, ``train, val and test``; of one name or more."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def count(number_of: int, noun: str) -> str:
    """``1 pair``, ``6,000 pairs``, ``12 identities``, ``2 batches``."""
    if number_of == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number_of:,} {noun[:-1]}ies"
    return f"{number_of:,} {noun}{'es' if noun.endswith(('tch', 'sh', 'ss')) else 's'}"
