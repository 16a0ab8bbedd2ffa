"""A plugin that works, with its test, to be changed into what its author has in mind."""

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from facesim.discovery import load_installed_plugins
from facesim.discovery.installed import ENTRY_POINT_GROUP
from facesim.errors import FacesimError
from facesim.interfaces import REGISTRIES
from facesim.plugin_info import find_registry
from facesim.registry import Registry
from facesim.scaffold.writing import filled, write_new

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST_NAME = 60
_IN_TEMPLATES = ("nn", "np", *(registry.plural for registry in REGISTRIES))

_SECTIONS = {"transforms": "transforms: [{name}]", "trackers": "trackers: [{name}]"}
"""How an experiment names a plugin of the kinds of which it may have several."""


def write_plugin(kind: str, name: str, folder: Path) -> tuple[Path, ...]:
    """Write ``NAME.py`` and ``test_NAME.py`` into a folder.

    Args:
        kind: of plugin, in the singular or the plural.
        name: the plugin's, and the file's.
        folder: made if it does not exist.

    Returns:
        The files.

    Raises:
        FacesimError: no such kind, no possible name, one that is taken, or a file is there already.
    """
    registry = _registry_for(kind, name)
    load = f'load_named_plugin("./{name}.py", Path(__file__).parent)'
    return write_new(
        {
            folder / f"{name}.py": _source(registry, name),
            folder / f"test_{name}.py": _test(registry, name, load),
        }
    )


def write_package(kind: str, name: str, folder: Path) -> tuple[Path, ...]:
    """Write a distribution that can be installed: ``facesim-NAME/`` in a folder.

    Args:
        kind: of plugin, in the singular or the plural.
        name: the plugin's.
        folder: made if it does not exist.

    Returns:
        The files, ``pyproject.toml`` first.

    Raises:
        FacesimError: no such kind, no possible name, one that is taken, or a file is there already.
    """
    registry = _registry_for(kind, name)
    package = f"facesim_{name}"
    distribution = package.replace("_", "-")
    values = {
        "kind": registry.kind,
        "plural": registry.plural,
        "name": name,
        "package": package,
        "distribution": distribution,
        "group": ENTRY_POINT_GROUP,
        "usage": _usage(registry, name),
    }
    root = folder / distribution
    return write_new(
        {
            root / "pyproject.toml": filled("pyproject.toml", **values),
            root / "README.md": filled("README.md", **values),
            root / "src" / package / "__init__.py": filled("package.py", **values),
            root / "src" / package / f"{name}.py": _source(registry, name),
            root / "tests" / f"test_{name}.py": _test(registry, name, "load_installed_plugins()"),
        }
    )


def _registry_for(kind: str, name: str) -> Registry[Any]:
    registry = find_registry(kind)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise FacesimError(
            f"{name!r} cannot name a plugin's file; write small letters and digits, words joined "
            f"by '_', at most {_LONGEST_NAME} characters: focal_contrastive"
        )
    if keyword.iskeyword(name) or name in _IN_TEMPLATES or find_spec(name) is not None:
        raise FacesimError(
            f"{name!r} is a word or a module of Python, which the file would hide; "
            "choose another name"
        )
    load_installed_plugins()
    if name in registry.names():
        taken = registry.get(name).origin
        raise FacesimError(f"the {registry.kind} {name!r} is there already, in {taken}")
    return registry


def _source(registry: Registry[Any], name: str) -> str:
    return filled(f"{registry.kind}.py", name=name, Class=_class(name))


def _test(registry: Registry[Any], name: str, load: str) -> str:
    loader = load.partition("(")[0]
    path = "from pathlib import Path\n\n" if "Path" in load else ""
    return filled(
        "test_dataset.py" if registry.kind == "dataset" else "test_plugin.py",
        name=name,
        Class=_class(name),
        kind=registry.kind,
        Kind=registry.kind.capitalize(),
        imports=f"{path}from facesim.discovery import {loader}\n",
        loader=loader,
        load=load,
    )


def _usage(registry: Registry[Any], name: str) -> str:
    if registry.kind == "dataset":
        return f"data:\n  train: {{name: {name}, root: faces/train}}"
    return _SECTIONS.get(registry.plural, f"{registry.kind}: {{{{name: {{name}}}}}}").format(
        name=name
    )


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
