"""Imports one plugin file that lies anywhere."""

import hashlib
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


class _UncachedLoader(SourceFileLoader):
    """Compiles the file's text, not a bytecode cache that misses an edit within the same second."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        """The module's code."""
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def import_plugin_file(path: Path) -> None:
    """Import a file under a name of its own, so that it hides no installed module.

    It runs once a process, and again when its text has changed.
    """
    name = "facesim_local_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    text = path.read_bytes()
    if name in sys.modules and vars(sys.modules[name])["__facesim_text__"] == text:
        return
    loader = _UncachedLoader(name, str(path))
    module = ModuleType(name)
    vars(module).update(__file__=str(path), __loader__=loader, __facesim_text__=text)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
