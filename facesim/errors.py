"""The errors that a person is meant to read."""

from collections.abc import Sequence
from difflib import get_close_matches


class FacesimError(Exception):
    """A mistake of the user or of the surroundings, worded for the person who reads it.

    The command line prints its text without a traceback and exits with code 2.
    """


def did_you_mean(wrong: str, known: Sequence[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest of ``known``, or an empty string."""
    lowered = {name.lower(): name for name in known}
    close = get_close_matches(wrong.lower(), lowered, n=3, cutoff=0.6)
    if not close:
        return ""
    return " (did you mean " + " or ".join(repr(lowered[name]) for name in close) + "?)"
