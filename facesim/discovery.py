"""Finds plugins: installed distributions by entry point, and what an experiment names.

Every module is imported on its own: one that fails is noted in ``failures`` and takes none of the
others with it.
"""

import importlib.util
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path

from facesim import __version__, plugin_file
from facesim.entry_points import PluginEntryPoint, installed_offers
from facesim.errors import FacesimError, PluginError, did_you_mean
from facesim.failures import PluginFailure, failures
from facesim.interfaces import INTERFACE_VERSION, REGISTRIES, data_commands

_REGISTRIES = (*REGISTRIES, data_commands)
_REGISTRATION = re.compile(
    rf"\b({'|'.join(registry.plural for registry in _REGISTRIES)})"
    r"\((\s*['\"][\w.-]+['\"][^()]*(?:\([^()]*\)[^()]*)?)\)"
)
"""A registration in a module's source: the kind's plural, and the arguments (name and aliases)."""

_QUOTED = re.compile(r"['\"]([\w.-]+)['\"]")


@cache
def load_installed_plugins() -> None:
    """Import what every installed distribution offers under the entry point, once a process.

    The entry point names a module; of a package, every module below it is imported as well.
    A distribution that is made for a newer interface is left alone and noted in ``failures``, and
    so is any but facesim's own if they are switched off.
    """
    for offer in installed_offers():
        refused = _why_refused(offer)
        if refused:
            failures[offer.module] = PluginFailure(
                offer.module, offer.origin, refused, attempted=False
            )
        else:
            _import_with_all_below(offer.module, offer.origin)


def third_party_disabled() -> bool:
    """Whether ``FACESIM_PLUGINS_DISABLE`` is set, to anything but 0.

    It switches off what other distributions than facesim offer. The built-in plugins stay, and so
    does what an experiment names itself.
    """
    return os.environ.get("FACESIM_PLUGINS_DISABLE", "") not in ("", "0")


def load_named_plugin(name: str, folder: Path) -> str:
    """Import one entry of an experiment's ``plugins:``.

    Args:
        name: a dotted module, or the path of a file (``./my_loss.py``).
        folder: what a relative path is relative to.

    Returns:
        The entry as it can be read from any folder: the path of a file becomes absolute.

    Raises:
        PluginError: there is no such file or module, or importing it failed; with its traceback.
    """
    if name.endswith(".py"):
        path = (folder / name).absolute()
        _check_file(path)
        entry, load = str(path), partial(plugin_file.import_plugin_file, path)
    else:
        entry, load = name, partial(_import_module, name, folder)
    failed = _attempt(load, entry, "named by the experiment")
    if failed:
        # The traceback is in the error; a plugin that is missed on its account need not repeat it.
        failures[entry] = replace(failed, traceback="")
        raise PluginError(failed.with_traceback())
    failures.pop(entry, None)
    return entry


def _import_with_all_below(module: str, origin: str) -> None:
    failed = _attempt(partial(import_module, module), module, origin)
    if failed:
        failures[module] = failed
        return
    for found in pkgutil.iter_modules(getattr(sys.modules[module], "__path__", ()), f"{module}."):
        if not found.name.endswith(".__main__"):  # a program, not a part of the package
            _import_with_all_below(found.name, origin)


def _attempt(load: Callable[[], object], module: str, origin: str) -> PluginFailure | None:
    """Run an import; if it fails, undo what it registered and say why."""
    try:
        with ExitStack() as registrations:
            for registry in _REGISTRIES:
                registrations.enter_context(registry.transaction())
            load()
    except _NoSuchModuleError:
        raise
    except FacesimError as error:
        return PluginFailure(module, origin, str(error), declared=_declared(module))
    except (Exception, SystemExit) as error:  # noqa: BLE001  somebody else's code may raise anything
        return PluginFailure(module, origin, _one_line(error), _traceback(error), _declared(module))
    return None


class _NoSuchModuleError(PluginError):
    """An experiment names a module that is not there."""


def _import_module(name: str, folder: Path) -> None:
    missing = not all(part.isidentifier() for part in name.split("."))
    try:
        if not missing:
            import_module(name)
    except ModuleNotFoundError as error:
        missing = f"{name}.".startswith(f"{error.name}.")
        if not missing:
            raise
    if missing:
        raise _NoSuchModuleError(_no_such_module(name, folder))


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            others = [other.name for other in path.parent.glob("*.py")]
            raise PluginError(
                f"there is no plugin file {path}{did_you_mean(path.name, others)}; "
                "a relative path begins at the folder of the experiment file"
            )
    except OSError as error:
        raise PluginError(f"the plugin file {path} cannot be read: {error.strerror}") from None


def _no_such_module(name: str, folder: Path) -> str:
    if (folder / f"{name}.py").is_file():
        return f"there is no module {name!r}; for the file write ./{Path(name).name}.py"
    return (
        f"there is no module {name!r}; install the package that has it, "
        "or name a file as ./file.py, relative to the experiment"
    )


def _why_refused(offer: PluginEntryPoint) -> str:
    """Why nothing of a distribution is imported; empty if it is."""
    if offer.third_party and third_party_disabled():
        return "plugins of other distributions are switched off by FACESIM_PLUGINS_DISABLE"
    if offer.interface > INTERFACE_VERSION:
        return (
            f"it is made for version {offer.interface} of the plugin interface, and facesim "
            f"{__version__} has version {INTERFACE_VERSION}; pip install --upgrade facesim"
        )
    return ""


def _declared(module: str) -> frozenset[tuple[str, str]]:
    """The (plural of the kind, name or alias) pairs of a module's source, by its text."""
    try:
        registrations = _REGISTRATION.findall(_source(module).read_text(encoding="utf-8"))
    except (OSError, ImportError, ValueError):
        return frozenset()
    return frozenset(
        (kind, name) for kind, arguments in registrations for name in _QUOTED.findall(arguments)
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


def _one_line(error: BaseException) -> str:
    # TracebackException survives an exception that cannot say what it is.
    text = str(traceback.TracebackException.from_exception(error))
    return f"{type(error).__name__}: {' '.join(text.split())}"


def _traceback(error: BaseException) -> str:
    """The traceback of the plugin's own frames: those of facesim and importlib say nothing."""
    machinery = (__file__, plugin_file.__file__, importlib.__file__)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in machinery and not frame.filename.startswith("<frozen importlib")
    ]
    return "".join(traceback.format_list(frames) + traceback.format_exception_only(error)).rstrip()
