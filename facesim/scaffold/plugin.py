"""A working plugin and its test, as a starting point."""

import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from facesim.discovery import load_installed_plugins
from facesim.discovery.installed import ENTRY_POINT_GROUP
from facesim.errors import FacesimError
from facesim.interfaces import KINDS, Kind, find_kind
from facesim.scaffold.writing import filled, write_new

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST_NAME = 60
_IN_TEMPLATES = ("nn", "np", *(kind.plural for kind in KINDS))


def write_plugin(kind_name: str, name: str, folder: Path) -> tuple[Path, ...]:
    """Write ``NAME.py`` and ``test_NAME.py`` into a folder.

    Args:
        kind_name: in the singular or the plural.
        name: the plugin's, and the file's.
        folder: made if it does not exist.

    Returns:
        The files.

    Raises:
        FacesimError: no such kind, no possible name, one that is taken, or a file is there already.
    """
    kind = _kind_for(kind_name, name)
    load = f'load_named_plugin("./{name}.py", Path(__file__).parent)'
    return write_new(
        {
            folder / f"{name}.py": _source(kind, name),
            folder / f"test_{name}.py": _test(kind, name, load),
        }
    )


def write_package(kind_name: str, name: str, folder: Path) -> tuple[Path, ...]:
    """Write a distribution that can be installed: ``facesim-NAME/`` in a folder.

    Args:
        kind_name: in the singular or the plural.
        name: the plugin's.
        folder: made if it does not exist.

    Returns:
        The files, ``pyproject.toml`` first.

    Raises:
        FacesimError: no such kind, no possible name, one that is taken, or a file is there already.
    """
    kind = _kind_for(kind_name, name)
    package = f"facesim_{name}"
    distribution = package.replace("_", "-")
    values = {
        "kind": kind.name,
        "plural": kind.plural,
        "name": name,
        "package": package,
        "distribution": distribution,
        "group": ENTRY_POINT_GROUP,
        "usage": _usage(kind, name),
    }
    root = folder / distribution
    return write_new(
        {
            root / "pyproject.toml": filled("pyproject.toml", **values),
            root / "README.md": filled("README.md", **values),
            root / "src" / package / "__init__.py": filled("package.py", **values),
            root / "src" / package / f"{name}.py": _source(kind, name),
            root / "tests" / f"test_{name}.py": _test(kind, name, "load_installed_plugins()"),
        }
    )


def _kind_for(kind_name: str, name: str) -> Kind:
    kind = find_kind(kind_name)
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
    for plugin in kind.registry:
        if name in plugin.spellings:
            raise FacesimError(f"the {kind.name} {name!r} is there already, in {plugin.origin}")
    return kind


def _source(kind: Kind, name: str) -> str:
    return filled(kind.template, name=name, Class=_class(name))


def _test(kind: Kind, name: str, load: str) -> str:
    loader = load.partition("(")[0]
    path = "from pathlib import Path\n\n" if "Path" in load else ""
    return filled(
        kind.test_template,
        name=name,
        Class=_class(name),
        kind=kind.name,
        Kind=_class(kind.name),
        imports=f"{path}from facesim import {loader}\n",
        loader=loader,
        load=load,
    )


def _usage(kind: Kind, name: str) -> str:
    """The lines of an experiment that name the plugin."""
    node = f"{{name: {name}, {kind.example}}}" if kind.example else name
    text = f"[{node}]" if kind.several else node
    *sections, key = kind.places[0].split(".")
    lines = [*(f"{section}:" for section in sections), f"{key}: {text}"]
    return "\n".join("  " * depth + line for depth, line in enumerate(lines))


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
