"""Finds plugins: installed distributions by entry point, and what an experiment names.

Every module is imported on its own: one that fails is recorded in ``registry.failures`` and takes
none of the others with it.
"""

import ast
import hashlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from facesim.errors import FacesimError
from facesim.interfaces import REGISTRIES
from facesim.registry import PluginError, PluginFailure, failures

ENTRY_POINT_GROUP = "facesim.plugins"


@cache
def load_installed_plugins() -> None:
    """Import what every installed distribution offers under the entry point, once a process.

    The entry point names a module; of a package, every module below it is imported as well.
    """
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=_built_in_first):
        origin = _distribution(entry_point)
        package = _import_or_record(entry_point.value, origin)
        for module in _modules_below(package):
            _import_or_record(module, origin)


def load_named_plugin(name: str) -> None:
    """Import one entry of an experiment's ``plugins:``, a dotted module or the path of a file.

    Raises:
        PluginError: there is no such file or module, or importing it failed; with its traceback.
    """
    before = len(failures)
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise PluginError(f"there is no plugin file {path}")
        _recorded(lambda: _import_file(path), name, "named by the experiment", path)
    else:
        _import_or_record(name, "named by the experiment")
    if len(failures) > before:
        failure = failures.pop()
        raise PluginError(
            f"the plugin {failure.module} failed to import: {failure.reason}\n{failure.traceback}"
        )


def _import_or_record(module: str, origin: str) -> ModuleType | None:
    return _recorded(lambda: import_module(module), module, origin, None)


def _recorded(
    load: Callable[[], ModuleType], module: str, origin: str, path: Path | None
) -> ModuleType | None:
    """Run an import; if it fails, undo what it registered and record why."""
    try:
        with ExitStack() as registrations:
            for registry in REGISTRIES:
                registrations.enter_context(registry.transaction())
            return load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  somebody else's code may raise anything
        source = path or _source_of(module)
        failures.append(
            PluginFailure(
                module=module,
                origin=origin,
                reason=str(error) if isinstance(error, FacesimError) else _one_line(error),
                traceback="" if isinstance(error, FacesimError) else _traceback(error),
                declared=_declared_names(source) if source else frozenset(),
            )
        )
        return None


def _import_file(path: Path) -> ModuleType:
    """Import a file once, under a name of its own, so that no installed module is hidden."""
    name = "facesim_local_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _modules_below(package: ModuleType | None) -> Iterator[str]:
    """Names of all modules in a package, found without importing one."""
    for folder in getattr(package, "__path__", ()):
        prefix = f"{package.__name__}."  # type: ignore[union-attr]
        yield from _modules_in(Path(folder), prefix)


def _modules_in(folder: Path, prefix: str) -> Iterator[str]:
    for found in pkgutil.iter_modules([str(folder)], prefix):
        yield found.name
        if found.ispkg:
            yield from _modules_in(folder / found.name.rpartition(".")[2], f"{found.name}.")


def _built_in_first(entry_point: EntryPoint) -> tuple[bool, str, str]:
    distribution = entry_point.dist.name if entry_point.dist else ""
    return distribution != "facesim", distribution, entry_point.name


def _distribution(entry_point: EntryPoint) -> str:
    if entry_point.dist is None:
        return f"entry point {entry_point.name}"
    return f"{entry_point.dist.name} {entry_point.dist.version}"


def _source_of(module: str) -> Path | None:
    """The file of a module that may be broken, found without running it if at all possible."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _declared_names(path: Path) -> frozenset[tuple[str, str]]:
    """The (kind, name) pairs that a file's decorators would register, read without running it."""
    kinds = {registry.plural: registry.kind for registry in REGISTRIES}
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    decorators = (
        decorator
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and decorator.args
    )
    return frozenset(
        (kinds[plural], str(decorator.args[0].value))
        for decorator in decorators
        if (plural := _last_name(decorator.func)) in kinds
        and isinstance(decorator.args[0], ast.Constant)
    )


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _traceback(error: BaseException) -> str:
    """The traceback from the plugin's own frames on: those of facesim and importlib say nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if "importlib" not in frame.filename and Path(frame.filename) != Path(__file__)
    ]
    lines = traceback.format_list(own) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()
