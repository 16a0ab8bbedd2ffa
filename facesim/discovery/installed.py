"""Plugins of installed distributions, found by entry point."""

import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module, metadata
from itertools import groupby

from facesim import __version__
from facesim.discovery.importing import attempt_import, note_failure
from facesim.errors import PluginFailure
from facesim.interfaces import INTERFACE_VERSION

ENTRY_POINT_GROUP = "facesim.plugins"
"""For version 1 of the plugin interface; ``facesim.plugins.v2`` for version 2."""

_GROUP = re.compile(re.escape(ENTRY_POINT_GROUP) + r"(?:\.v([1-9]\d*))?")


@dataclass(frozen=True, order=True)
class PluginEntryPoint:
    """One entry point of one installed distribution.

    Attributes:
        third_party: whether the distribution is not facesim itself.
        distribution: its name; empty if it has none.
        version: the distribution's; empty if it has no name.
        interface: the version of the plugin interface that it is made for.
        name: of the entry point.
        module: what to import, with every module below it if it is a package.
    """

    third_party: bool
    distribution: str
    version: str
    interface: int
    name: str
    module: str

    @property
    def origin(self) -> str:
        """The distribution and its version, for messages."""
        return f"{self.distribution} {self.version}".strip() or f"entry point {self.name}"

    @property
    def refusal(self) -> str:
        """Why nothing of the distribution is imported; empty if it is."""
        if self.third_party and third_party_disabled():
            return "plugins of other distributions are switched off by FACESIM_PLUGINS_DISABLE"
        if self.interface > INTERFACE_VERSION:
            return (
                f"it is made for version {self.interface} of the plugin interface, and facesim "
                f"{__version__} has version {INTERFACE_VERSION}; pip install --upgrade facesim"
            )
        return ""


@cache
def load_installed_plugins() -> None:
    """Import the plugins of every installed distribution, once per process.

    The entry point names a module; of a package, every module below it is imported as well. Each is
    imported on its own: one that fails is noted in the registries and takes no other with it. So is
    a distribution that is made for a newer interface, and any but facesim's own if they are
    switched off; these are not imported.
    """
    for entry_point in plugin_entry_points():
        module, origin = entry_point.module, entry_point.origin
        if entry_point.refusal:
            note_failure(PluginFailure(module, origin, entry_point.refusal, attempted=False))
        else:
            _import_with_submodules(module, origin)


def third_party_disabled() -> bool:
    """Whether ``FACESIM_PLUGINS_DISABLE`` is set, to anything but 0.

    It switches off the plugins of distributions other than facesim. The built-in plugins stay, and
    so do those that an experiment names itself.
    """
    return os.environ.get("FACESIM_PLUGINS_DISABLE", "") not in ("", "0")


def plugin_entry_points() -> list[PluginEntryPoint]:
    """The entry points of all distributions, facesim's own first; imports nothing.

    Of a distribution with plugins for several versions of the interface, those for the newest one
    that this facesim supports.
    """
    found = sorted(set(_all_entry_points()))
    newest = []
    for _, group in groupby(found, key=lambda entry_point: entry_point.origin):
        of_one = list(group)
        versions = {entry_point.interface for entry_point in of_one}
        supported = [version for version in versions if version <= INTERFACE_VERSION]
        best = max(supported) if supported else min(versions)
        newest += [entry_point for entry_point in of_one if entry_point.interface == best]
    return newest


def _all_entry_points() -> Iterator[PluginEntryPoint]:
    found = metadata.entry_points()
    for group in found.groups:
        match = _GROUP.fullmatch(group)
        for entry_point in found.select(group=group) if match else ():
            dist = entry_point.dist
            yield PluginEntryPoint(
                third_party=dist is None or dist.name != "facesim",
                distribution=dist.name if dist else "",
                version=dist.version if dist else "",
                interface=int(match[1] or 1) if match else 1,
                name=entry_point.name,
                module=entry_point.value.partition(":")[0].strip(),
            )


def _import_with_submodules(module: str, origin: str) -> None:
    failed = attempt_import(partial(import_module, module), module, origin)
    if failed:
        note_failure(failed)
        return
    for found in pkgutil.iter_modules(getattr(sys.modules[module], "__path__", ()), f"{module}."):
        if not found.name.endswith(".__main__"):  # a program, not a part of the package
            _import_with_submodules(found.name, origin)
