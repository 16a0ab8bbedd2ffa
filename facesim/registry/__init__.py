"""Registries: a plugin's name becomes validated parameters, and those become an object."""

from facesim.registry.node import PLUGINS_OF, WITHOUT_PLUGIN_FILES
from facesim.registry.plugin import Plugin, Spec
from facesim.registry.registry import Registry

__all__ = ["PLUGINS_OF", "WITHOUT_PLUGIN_FILES", "Plugin", "Registry", "Spec"]
