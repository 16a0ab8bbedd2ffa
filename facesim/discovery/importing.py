"""Importing modules that register plugins: all or nothing, and failures are noted."""

import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from facesim.errors import FacesimError, PluginError, PluginFailure
from facesim.interfaces import REGISTRIES, data_commands
from facesim.interrupts import is_ctrl_c

_REGISTRIES = (*REGISTRIES, data_commands)
_REGISTRATION = re.compile(
    rf"\b({'|'.join(registry.plural for registry in _REGISTRIES)})"
    r"\(\s*['\"]([\w.-]+)['\"](?:\s*,\s*aliases\s*=\s*[(\[]([^)\]]*)[)\]])?"
)
"""A registration in a module's source: the kind's plural, the name, and the aliases if any."""

_QUOTED = re.compile(r"['\"]([\w.-]+)['\"]")


class NoSuchModuleError(PluginError):
    """There is no module of that name, which is different from one that cannot be imported."""


def attempt_import(load: Callable[[], object], module: str, origin: str) -> PluginFailure | None:
    """Import a module; if that fails, undo its registrations.

    Args:
        load: imports it.
        module: its name, or the path of its file.
        origin: the distribution or experiment that names it.

    Returns:
        Why it failed; None if it did not.

    Raises:
        NoSuchModuleError: ``load`` did.
    """
    try:
        with ExitStack() as registrations:
            for registry in _REGISTRIES:
                registrations.enter_context(registry.transaction())
            registrations.enter_context(_process_kept())
            load()
    except NoSuchModuleError:
        raise
    except FacesimError as error:
        return PluginFailure(module, origin, str(error), declared=_declared(module))
    except BaseException as error:  # third-party code may raise anything
        if is_ctrl_c(error):
            raise
        # TracebackException survives an exception whose __str__ raises.
        text = str(traceback.TracebackException.from_exception(error))
        reason = ": ".join(filter(None, (type(error).__name__, " ".join(text.split()))))
        return PluginFailure(module, origin, reason, _traceback(error), _declared(module))
    return None


@contextmanager
def _process_kept() -> Iterator[None]:
    """Let what would end this process at once raise an error, while a module is imported.

    ``os._exit`` runs no handler: nobody would learn who called it, and the exit code would be its.
    Forked processes end with it as ever. ``posix._exit`` is the same function under another name.
    """
    process, modules = os.getpid(), [os, sys.modules[os.name]]
    names = [name for name in ("_exit", "abort") if hasattr(os, name)]
    before = {name: getattr(os, name) for name in names}

    def refusing(name: str) -> Callable[..., None]:
        def refuse(*arguments: Any) -> None:
            if os.getpid() != process:
                before[name](*arguments)
            called = ", ".join(map(repr, arguments))
            raise PluginError(f"it calls os.{name}({called}), which would end facesim")

        return refuse

    for name in names:
        for module in modules:
            setattr(module, name, refusing(name))
    try:
        yield
    finally:
        for name in names:
            for module in modules:
                setattr(module, name, before[name])


def note_failure(failure: PluginFailure) -> None:
    """Let every registry explain by this failure why a plugin is missing."""
    for registry in _REGISTRIES:
        registry.note_failure(failure)


def forget_failure(module: str) -> None:
    """Take back what :func:`note_failure` noted of a module, if it did."""
    for registry in _REGISTRIES:
        registry.forget_failure(module)


def _declared(module: str) -> frozenset[tuple[str, str]]:
    """The (plural of the kind, name or alias) pairs that a module's source text registers."""
    try:
        registrations = _REGISTRATION.findall(_source(module).read_text(encoding="utf-8"))
    except (OSError, ImportError, ValueError):
        return frozenset()
    return frozenset(
        (kind, spelling)
        for kind, name, aliases in registrations
        for spelling in (name, *_QUOTED.findall(aliases))
    )


def _source(module: str) -> Path:
    """The file of a module that failed; an empty path if finding it would run its package again."""
    if module.endswith(".py"):
        return Path(module)
    parent = module.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return Path()
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else Path()


def _traceback(error: BaseException) -> str:
    """The traceback without the frames of this package and importlib, which tell nothing."""
    machinery = (str(Path(__file__).parent), importlib.__file__, "<frozen importlib")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(machinery)
    ]
    return "".join(traceback.format_list(frames) + traceback.format_exception_only(error)).rstrip()
