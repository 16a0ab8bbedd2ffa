"""What installed distributions offer: modules with plugins, and the interface they are made for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import groupby

from facesim.interfaces import INTERFACE_VERSION

ENTRY_POINT_GROUP = "facesim.plugins"
"""Holds plugins for version 1 of the interface; ``facesim.plugins.v2`` those for version 2."""

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


def installed_offers() -> list[PluginEntryPoint]:
    """What all distributions offer, facesim's own first; reads metadata and imports nothing.

    Of a distribution that offers plugins for several versions of the interface, those for the
    newest one that this facesim knows.
    """
    offers = sorted(set(_all_offers()))
    of_each = groupby(offers, key=lambda offer: offer.origin)
    return [offer for _, group in of_each for offer in _newest_supported(list(group))]


def _all_offers() -> Iterator[PluginEntryPoint]:
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


def _newest_supported(offers: list[PluginEntryPoint]) -> list[PluginEntryPoint]:
    versions = {offer.interface for offer in offers}
    known = [version for version in versions if version <= INTERFACE_VERSION]
    best = max(known) if known else min(versions)
    return [offer for offer in offers if offer.interface == best]
