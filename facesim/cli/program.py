"""What ``facesim`` does with its arguments: a command, help on it, or a message."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer

from facesim.cli import cache, data, experiments, packs, plugins, runs, verifier  # noqa: F401  they register commands
from facesim.cli.application import RaisedByCodeError, app
from facesim.console import Console, guard_terminal, printable, say
from facesim.interrupts import watch_interrupts
from facesim.terminal.streams import (
    awaits_document,
    discard,
    keep_stdout,
    prepare_streams,
    release_stdout,
)

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line.

    A user's mistake, an error of the machine or of a plugin is a message and exit code 2, a bug of
    facesim one with 70; there is a traceback with ``--traceback`` only.
    """
    # Read when torch is imported. OpenMP threads that wait must not spin on a busy core, but for
    # about the tenth of a millisecond in which the next operator comes: waking them takes longer.
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
    if "WORLD_SIZE" in os.environ:  # torch prints its stack at each lost connection, which we tell
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    guard_terminal()
    prepare_streams()
    watch_interrupts()
    arguments = sys.argv[1:]
    if _COMPLETING in os.environ:  # which a shell waits for, and ends in an exit
        _import_help()
        app(arguments)
    _work_alone_if_unshared(arguments)
    if arguments[:2] == ["plugins", "doctor"]:  # the former name of `facesim doctor`
        del arguments[0]
    if _TRACEBACK in arguments:  # wherever it stands
        arguments = [_TRACEBACK, *(word for word in arguments if word != _TRACEBACK)]
    if "--help" in arguments or not arguments:
        _import_help()
    if _JSON in arguments:
        keep_stdout()
    try:
        sys.exit(_carry_out(arguments))
    finally:
        release_stdout()


_TRACEBACK = "--traceback"
_JSON = "--json"
_COMPLETING = "_FACESIM_COMPLETE"

_SHARED = ("run", "check", "eval")
"""The commands that several processes carry out together."""


def _carry_out(arguments: list[str]) -> int:
    """Carry out a command; returns its exit code, or exits with it."""
    try:
        try:
            # not on its own, where typer prints arguments as they are
            code = app(arguments, standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where an error can still be told
        code = code if isinstance(code, int) else 0
        if awaits_document():
            from facesim.terminal.documents import print_exit_document

            print_exit_document(code)
    except _UsageError as error:
        _import_help()
        from typer.rich_utils import rich_format_error

        error.message = printable(error.message)  # it repeats an argument
        rich_format_error(error)
        _tell_script(error, error.format_message(), error.exit_code)
        sys.exit(error.exit_code)
    except BaseException as error:  # noqa: BLE001  a plugin may raise any
        cause = error.__cause__ if isinstance(error, RaisedByCodeError) else None
        _end(cause or error, traceback=_TRACEBACK in arguments)
    return code


def _import_help() -> None:
    """Import what prints help, without two modules that it imports for nothing here.

    Parsers of Markdown and of source code take a third of the time that help takes. Our help
    is in rich's markup, and the tracebacks are Python's own.
    """
    unused = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
    stand_ins = {name: ModuleType(name) for name in unused.keys() - sys.modules.keys()}
    for name, module in stand_ins.items():
        setattr(module, unused[name], type(unused[name], (), {}))
    sys.modules.update(stand_ins)
    try:
        with suppress(ImportError):  # another typer may want more of them: it imports them itself
            import_module("typer.rich_utils")
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _tell_script(error: BaseException, message: str, exit_code: int) -> None:
    if awaits_document():
        from facesim.terminal.documents import print_error_document

        print_error_document(message, exit_code, error)


def _work_alone_if_unshared(arguments: list[str]) -> None:
    """Of a command that several processes cannot share, let the first that torchrun starts do all.

    The others exit.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    if "RANK" not in os.environ or command in _SHARED:
        return
    from facesim.rendezvous import is_launched

    if is_launched() and os.environ.pop("RANK") != "0":
        sys.exit(0)


def _end(error: BaseException, *, traceback: bool) -> NoReturn:
    """Tell a person what went wrong, and exit."""
    from facesim.terminal.failure import failure_of

    if isinstance(error, BrokenPipeError):  # the reader has gone, and the reason to go on with it
        sys.exit(1)
    failure = failure_of(error, asked=traceback)
    if failure is None:
        raise error
    try:
        if failure.traceback:
            sys.stderr.write(printable(failure.traceback))
        Console(stderr=True, soft_wrap=True).print(failure.message, markup=False, highlight=False)
    except OSError:  # standard error itself cannot be written
        discard(sys.stderr)
    _tell_script(error, failure.message, failure.exit_code)
    sys.exit(failure.exit_code)


_UsageError: Any = typer.BadParameter.__base__
"""Of click, which some versions of typer bring along under a name of their own."""


def _print_version(context: typer.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:  # which shell completion does
        from facesim.version import __version__

        say(f"facesim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option(_TRACEBACK, help="Print the traceback of an error; may stand anywhere."),
    ] = False,
) -> None:
    """Options of facesim itself, before any command."""
