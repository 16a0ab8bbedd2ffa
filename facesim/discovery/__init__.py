"""Finding plugins: those of installed distributions, and those that an experiment names."""

from facesim.discovery.installed import load_installed_plugins
from facesim.discovery.named import load_named_plugin

__all__ = ["load_installed_plugins", "load_named_plugin"]
