"""Plugins that an experiment names: modules, and files anywhere."""

import hashlib
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from facesim.bounded import SOURCE_BYTES, read_file
from facesim.discovery.importing import (
    NoSuchModuleError,
    attempt_import,
    forget_failure,
    note_failure,
)
from facesim.errors import PluginError, did_you_mean


def plugin_entry(name: str, folder: Path) -> str:
    """An entry of ``plugins:`` as it can be read from any folder: a file's path is absolute."""
    return str((folder / name).absolute()) if name.endswith(".py") else name


def load_named_plugin(name: str, folder: Path, digest: str | None = None) -> str:
    """Import one entry of an experiment's ``plugins:``.

    Args:
        name: a dotted module, or the path of a file (``./my_loss.py``).
        folder: what a relative path is relative to.
        digest: what :func:`code_digest` must be; None for any code.

    Returns:
        The entry as it can be read from any folder: the path of a file becomes absolute.

    Raises:
        PluginError: there is no such file or module, or importing it failed; with its traceback.
    """
    entry = plugin_entry(name, folder)
    if name.endswith(".py"):
        _require_file(Path(entry))
        load = partial(_import_file, Path(entry), digest)
    else:
        load = partial(_import_module, name, folder)
    failed = attempt_import(load, entry, "named by the experiment")
    if failed:
        # The traceback is in the error; a plugin that is missing because of it need not repeat it.
        note_failure(replace(failed, traceback=""))
        raise PluginError(failed.with_traceback())
    forget_failure(entry)
    return entry


def _require_file(path: Path) -> None:
    try:
        if not path.is_file():
            others = [other.name for other in path.parent.glob("*.py")]
            raise PluginError(
                f"there is no plugin file {path}{did_you_mean(path.name, others)}; "
                "a relative path begins at the folder of the experiment file"
            )
    except OSError as error:
        raise PluginError(f"the plugin file {path} cannot be read: {error.strerror}") from None


def _import_file(path: Path, digest: str | None) -> None:
    """Import a file under a name of its own, so that it hides no installed module.

    It runs once per process, and again when its text has changed.
    """
    name = "facesim_local_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    text = read_file(path, SOURCE_BYTES)
    if digest is not None and hashlib.sha256(text).hexdigest() != digest:
        raise PluginError(f"{path} was changed just now, while it was about to be imported")
    if name in sys.modules and vars(sys.modules[name])["__facesim_text__"] == text:
        return
    loader = _UncachedLoader(name, str(path))
    loader.text = text
    module = ModuleType(name)
    vars(module).update(__file__=str(path), __loader__=loader, __facesim_text__=text)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


class _UncachedLoader(SourceFileLoader):
    """Compiles the text that was read, not a bytecode cache that misses an edit within a second."""

    text: bytes

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        """The module's code."""
        code: CodeType = self.source_to_code(self.text, self.path)
        return code


def _import_module(name: str, folder: Path) -> None:
    missing = not all(part.isidentifier() for part in name.split("."))
    try:
        if not missing:
            import_module(name)
    except ModuleNotFoundError as error:
        # The named module itself is missing, or one that it imports.
        missing = f"{name}.".startswith(f"{error.name}.")
        if not missing:
            raise
    if not missing:
        return
    advice = (
        "install the package that has it, or name a file as ./file.py, relative to the experiment"
    )
    if (folder / f"{name}.py").is_file():
        advice = f"for the file write ./{Path(name).name}.py"
    raise NoSuchModuleError(f"there is no module {name!r}; {advice}")
