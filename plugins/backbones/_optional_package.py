"""Packages that only one backbone needs, imported when it is built."""

from importlib import import_module
from typing import Any

from facesim import PluginError


def optional_package(name: str, backbone: str, remedy: str) -> Any:
    """Import a package, or say how it is installed.

    Args:
        name: of the module.
        backbone: that needs it.
        remedy: ``pip install ...``.

    Raises:
        PluginError: it is not installed; one that is installed and broken says so itself.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        package = name.replace("_", "-")
        raise PluginError(f"backbone {backbone} needs the package {package}: {remedy}") from None
