"""What a person reads where a command fails: one line, and the exit code."""

import traceback
from dataclasses import dataclass

import typer

from facesim.errors import FacesimError
from facesim.interrupts import is_ctrl_c
from facesim.machine_errors import in_one_line, in_words, is_mistaken_path, machine_error

MISTAKE = 2
"""The exit code for a mistake of the user, an error of the machine, or a bug of a plugin."""

INTERNAL = 70
"""The exit code for a bug of facesim: EX_SOFTWARE of sysexits.h."""


@dataclass(frozen=True)
class Failure:
    """How a command failed.

    Attributes:
        message: for the person.
        exit_code: of the process.
        traceback: to be printed before the message; empty where nobody asked for it.
    """

    message: str
    exit_code: int
    traceback: str = ""


def failure_of(error: BaseException, *, asked: bool) -> Failure | None:
    """The failure of a command that ended with an exception; None where none is to be told.

    Args:
        error: what reached the end of the command.
        asked: whether the traceback is asked for.
    """
    shown = "".join(traceback.format_exception(error)) if asked else ""
    if isinstance(error, FacesimError):
        return Failure(str(error), MISTAKE, shown)
    if isinstance(error, typer.Abort) or is_ctrl_c(error):
        return Failure("Aborted.", 1, shown)
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] == "torch":
        # a wheel for another platform, or a library of CUDA's missing
        told = f"torch cannot be imported: {error}; install torch and torchvision anew, together"
        return Failure(told, MISTAKE, shown)
    if machine_error(error) is not None and not isinstance(error, SystemExit):
        return Failure(in_one_line(error), MISTAKE, shown)
    try:
        from facesim.plugin_failures import (  # which imports torch
            describe_failure,
            kept_traceback,
            plugins_of_others,
            reason_of,
        )
    except ImportError:
        return _failure_without_torch(error, shown)
    where = kept_traceback(error) or "add --traceback to see the traceback"
    described = describe_failure(error)
    if described is not None:
        return Failure(f"{described}; {where}", MISTAKE, shown)
    if isinstance(error, SystemExit):
        return None
    if is_mistaken_path(error):
        return Failure(in_one_line(error), MISTAKE, shown)
    told = (
        f"a bug of facesim: {reason_of(error)}; {where}. Please report it with the output of "
        "`facesim doctor`"
    )
    others = plugins_of_others()
    if others:
        listed = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
        told += f", unless one of these returned something else than its kind promises: {listed}"
    return Failure(told, INTERNAL, shown)


def _failure_without_torch(error: BaseException, shown: str) -> Failure | None:
    """Of the commands that need none, and run no plugins but aligners."""
    if isinstance(error, SystemExit):
        return None
    if is_mistaken_path(error):
        return Failure(in_one_line(error), MISTAKE, shown)
    told = f"a bug of facesim: {type(error).__name__}: {in_words(error)}; add --traceback to see it"
    return Failure(told, INTERNAL, shown)
