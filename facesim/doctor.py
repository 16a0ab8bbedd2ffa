"""State of an installation: its environment and the distributions that bring plugins."""

import platform
import re
import shutil
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from itertools import groupby
from pathlib import Path
from typing import get_args

import torch

from facesim.discovery import load_installed_plugins
from facesim.discovery.installed import (
    PluginEntryPoint,
    plugin_entry_points,
    third_party_disabled,
)
from facesim.errors import PluginFailure
from facesim.host import HostStatus, examine_host
from facesim.interfaces import REGISTRIES
from facesim.model.cache_admin import EngineName
from facesim.model.devices import available_devices, describe_device, pick_device
from facesim.model.folded_engines import why_unavailable
from facesim.paths import cache_dir
from facesim.plugin_info import failed_plugins
from facesim.version import __version__, installed_version

_CHECKOUT = Path(__file__).parents[1]
"""Where pyproject.toml lies, if facesim is imported from its sources."""

_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
"""``timm>=1.0.9; extra == "timm"``: the extra that asks for a package."""

_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[([^]]*)\])?")
"""``facesim[timm,onnx]``: the package, and its extras."""


@dataclass(frozen=True)
class Extra:
    """One optional extra of facesim.

    Attributes:
        name: as in ``pip install "facesim[name]"``.
        packages: version of each package that it needs; None if that is not installed.
    """

    name: str
    packages: dict[str, str | None]

    @property
    def installed(self) -> bool:
        """Whether every package is there; that its version is new enough is pip's to say."""
        return None not in self.packages.values()


@dataclass(frozen=True)
class CacheFolder:
    """The folder of everything that can be computed again.

    Attributes:
        path: where it is; it need not exist yet.
        size_bytes: of the files in it.
        free_bytes: on its disk.
        problem: why nothing can be written there; None if it is writable.
    """

    path: Path
    size_bytes: int
    free_bytes: int
    problem: str | None


@dataclass(frozen=True)
class EnvironmentStatus:
    """What facesim runs on and with.

    Attributes:
        versions: of facesim, python, torch and torchvision.
        platform: operating system and architecture.
        devices: a description of each device that an experiment may name.
        engines: why each engine of frozen backbones cannot be used on the default device; None if
            it can.
        host: what several processes would use.
        extras: the optional extras, in the order of pyproject.toml.
        cache: the cache folder.
    """

    versions: dict[str, str]
    platform: str
    devices: tuple[str, ...]
    engines: dict[str, str | None]
    host: HostStatus
    extras: tuple[Extra, ...]
    cache: CacheFolder

    @property
    def ok(self) -> bool:
        """Whether runs can be made here."""
        return self.cache.problem is None


def examine_environment() -> EnvironmentStatus:
    """Examine the environment of this process; creates and changes nothing."""
    return EnvironmentStatus(
        versions={
            "facesim": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": installed_version("torchvision") or "not installed",
        },
        platform=platform.platform(),
        devices=tuple(describe_device(device) for device in available_devices()),
        engines={name: why_unavailable(name, pick_device("auto")) for name in get_args(EngineName)},
        host=examine_host(),
        extras=optional_extras(),
        cache=examine_cache(cache_dir()),
    )


def optional_extras() -> tuple[Extra, ...]:
    """The extras of facesim, each with the packages of those that it includes; none if unknown."""
    named = _requirements_of_extras()

    def packages(extra: str) -> list[str]:
        found = []
        for requirement in named.get(extra, ()):
            name, included = _REQUIREMENT.findall(requirement)[0]
            if name == "facesim":
                found += [each for other in included.split(",") for each in packages(other.strip())]
            else:
                found.append(name)
        return found

    return tuple(
        Extra(extra, {name: installed_version(name) for name in packages(extra)}) for extra in named
    )


def _requirements_of_extras() -> dict[str, list[str]]:
    """What each extra asks for, as the sources say, which may be newer than the metadata."""
    with suppress(OSError, ValueError, LookupError):
        project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
        if project["name"] == "facesim":
            return dict(project["optional-dependencies"])
    extras: dict[str, list[str]] = {}
    with suppress(PackageNotFoundError):
        for requirement in requires("facesim") or ():
            if match := _EXTRA.search(requirement):
                extras.setdefault(match[1], []).append(requirement)
    return extras


def examine_cache(folder: Path) -> CacheFolder:
    """Size, free space and writability of a folder that need not exist yet.

    Writability is tried with a temporary file, because permissions alone tell nothing of
    read-only disks; where the folder does not exist, in the nearest parent that does.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another process may be pruning
            size += path.stat().st_size if path.is_file() else 0
    problem = None
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        problem = f"cannot write in {nearest}: {error.strerror}"
    return CacheFolder(folder, size, shutil.disk_usage(nearest).free, problem)


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
