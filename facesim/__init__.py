"""facesim: train and compare face-verification systems honestly.

The public names, which a plugin author and a notebook user import, are listed in ``__init__.pyi``
beside this file, each with its module. They are resolved from that list on first use, so that
``import facesim`` costs nothing.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


@cache
def _module_of() -> dict[str, str]:
    """The module of each public name."""
    import ast

    stub = ast.parse(Path(__file__).with_name("__init__.pyi").read_text("utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_module_of())
    if name not in _module_of():
        raise AttributeError(f"module 'facesim' has no attribute {name!r}")
    return getattr(import_module(_module_of()[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_module_of()})
