"""Digest of a plugin's source, by which scores know that its code has changed."""

import ast
import sys
from collections.abc import Iterator
from hashlib import blake2b
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from facesim.interfaces import REGISTRIES
from facesim.registry import Plugin

_ENGINE = __name__.partition(".")[0]

_INSTALLED = ("site-packages", "dist-packages")
"""Folders in which modules of all distributions lie side by side."""


def source_digest(plugin: Plugin[Any]) -> str | None:
    """32 hexadecimal digits of a plugin's source; None where there is none, as in a notebook.

    The source is that of the module that registers it, and of those modules that this one uses,
    however indirectly: of the same package or beside it in the same folder, and of packages that
    bring plugins, whose classes it may extend. For all else there are versions.
    """
    tops = {each.module.partition(".")[0] for registry in REGISTRIES for each in registry}
    sources, left = dict[str, bytes](), [plugin.module]
    while left:
        name = left.pop()
        source = None if name in sources else _source(name)
        if source is not None:
            sources[name] = source
            left += [
                other
                for other in _imported(name, source)
                if other.partition(".")[0] in tops or _lies_beside(other, name)
            ]
    if plugin.module not in sources:
        return None
    # Sorted by content: an order that does not depend on where the files lie.
    return blake2b(b"\0".join(sorted(sources.values())), digest_size=16).hexdigest()


def _source(module: str) -> bytes | None:
    """The text that was run of a plugin's file, or that on disk of any other module."""
    text = vars(sys.modules[module]).get("__facesim_text__") if module in sys.modules else None
    if isinstance(text, bytes):
        return text
    file = _file_of(module)
    return None if file is None else file.read_bytes()


def _imported(module: str, source: bytes) -> Iterator[str]:
    """The modules that a module's text imports, also those that it imports only when they are used.

    What is imported from a module may be one itself, and is named as well where that can be.
    """
    package = module if _is_package(module) else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *base.split(".")])
                base = base.rstrip(".")
            yield base
            if _is_package(base):
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _lies_beside(name: str, module: str) -> bool:
    """Whether a module is of the other's package, or of its folder, where that is no shared one.

    The engine is neither, also where an experiment lies beside it.
    """
    top, own_top = name.partition(".")[0], module.partition(".")[0]
    own = _file_of(own_top)
    if own is None or top in (own_top, _ENGINE):
        return top == own_top
    file = _file_of(top)
    is_alone = own.parent.name not in _INSTALLED
    return is_alone and file is not None and own.parent in (file.parent, file.parent.parent)


def _file_of(module: str) -> Path | None:
    """The source file of a module, which is not imported for this."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is None:
        spec = _spec(module)
        loaded = spec.origin if spec is not None else None
    return Path(loaded) if loaded is not None and loaded.endswith(".py") else None


def _is_package(module: str) -> bool:
    if module in sys.modules:
        return hasattr(sys.modules[module], "__path__")
    spec = _spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def _spec(module: str) -> ModuleSpec | None:
    parent = module.rpartition(".")[0]
    if not module or (parent and not _is_package(parent)):
        return None
    try:
        return find_spec(module)
    except (ImportError, ValueError):
        return None
