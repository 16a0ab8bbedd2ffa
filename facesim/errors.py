"""The errors that a person is meant to read."""

from collections.abc import Sequence
from difflib import get_close_matches


class FacesimError(Exception):
    """A mistake of the user or of the surroundings, worded for the person who reads it.

    The command line prints its text without a traceback and exits with code 2.
    """


class PluginError(FacesimError):
    """A plugin that breaks the rules of registration, cannot be imported, or is not there."""


def did_you_mean(wrong: str, known: Sequence[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest of ``known``, or an empty string."""
    close = nearest(wrong, known)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""


def nearest(wrong: str, known: Sequence[str]) -> list[str]:
    """Up to three of ``known`` that look like ``wrong`` in any case of letters, nearest first."""
    lowered = {name.lower(): name for name in known}
    return [lowered[name] for name in get_close_matches(wrong.lower(), lowered)]


class DataError(FacesimError):
    """Data that cannot be used: a bad row, a missing image, an unreadable file."""
