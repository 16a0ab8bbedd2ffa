"""Finding plugins: those of installed distributions, and those that an experiment names."""

from facesim.discovery.consent import (
    UntrustedPluginsError,
    lies_in_results,
    record_consent,
    require_consent,
)
from facesim.discovery.installed import load_installed_plugins
from facesim.discovery.named import load_named_plugin, plugin_entry

__all__ = [
    "UntrustedPluginsError",
    "lies_in_results",
    "load_installed_plugins",
    "load_named_plugin",
    "plugin_entry",
    "record_consent",
    "require_consent",
]
