"""Registries: a plugin's name becomes validated parameters, and those become an object."""

from facesim.registry.node import AS_WRITTEN, PLUGINS_OF, READ_ONLY, WITHOUT_PLUGIN_FILES
from facesim.registry.plugin import Plugin, Spec
from facesim.registry.registry import Registry

__all__ = [
    "AS_WRITTEN",
    "PLUGINS_OF",
    "READ_ONLY",
    "WITHOUT_PLUGIN_FILES",
    "Plugin",
    "Registry",
    "Spec",
]
