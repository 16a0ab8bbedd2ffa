"""State of the installed distributions that bring plugins."""

from dataclasses import dataclass
from itertools import groupby

from facesim.discovery import load_installed_plugins
from facesim.discovery.installed import (
    PluginEntryPoint,
    plugin_entry_points,
    third_party_disabled,
)
from facesim.errors import PluginFailure
from facesim.interfaces import REGISTRIES
from facesim.plugin_info import failed_plugins


@dataclass(frozen=True)
class DistributionStatus:
    """One distribution.

    Attributes:
        origin: its name and version.
        interface: the version of the plugin interface that it is made for.
        plugins: the name of each plugin that it brought, by the plural of its kind.
        failures: what of it could not be imported, and why.
        switched_off: whether nothing of it was imported because FACESIM_PLUGINS_DISABLE is set.
    """

    origin: str
    interface: int
    plugins: dict[str, tuple[str, ...]]
    failures: tuple[PluginFailure, ...]
    switched_off: bool

    @property
    def ok(self) -> bool:
        """Whether all of it can be used, or is not meant to be."""
        return self.switched_off or not self.failures


def examine_distributions() -> tuple[DistributionStatus, ...]:
    """Examine every installed distribution that offers plugins, facesim itself first."""
    load_installed_plugins()
    of_each = groupby(plugin_entry_points(), key=lambda entry_point: entry_point.origin)
    return tuple(_examine(origin, list(entry_points)) for origin, entry_points in of_each)


def _examine(origin: str, entry_points: list[PluginEntryPoint]) -> DistributionStatus:
    found = {
        registry.plural: tuple(p.name for p in registry if _is_of(p.module, entry_points))
        for registry in REGISTRIES
    }
    return DistributionStatus(
        origin=origin,
        interface=entry_points[0].interface,
        plugins={kind: names for kind, names in found.items() if names},
        failures=tuple(failure for failure in failed_plugins() if failure.origin == origin),
        switched_off=entry_points[0].third_party and third_party_disabled(),
    )


def _is_of(module: str, entry_points: list[PluginEntryPoint]) -> bool:
    return any(f"{module}.".startswith(f"{entry.module}.") for entry in entry_points)
