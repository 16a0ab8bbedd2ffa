"""Importing packages that only one plugin needs."""

from importlib import import_module
from typing import Any

from facesim import PluginError


def optional_package(name: str, plugin: str, remedy: str) -> Any:
    """Import a package, or raise an error that says how to install it.

    Args:
        name: of the module.
        plugin: kind and name of the plugin that needs it.
        remedy: ``pip install ...``.

    Raises:
        PluginError: it is not installed. An installed one that fails raises its own error.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        package = name.replace("_", "-")
        raise PluginError(f"{plugin} needs the package {package}: {remedy}") from None
