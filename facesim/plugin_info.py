"""Descriptions of plugins as plain data: documentation and distribution."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from typing import Annotated, Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from facesim.errors import PluginFailure
from facesim.interfaces import REGISTRIES, find_kind
from facesim.registry import Plugin
from facesim.registry.signature import docstring
from facesim.registry.type_descriptions import bounds_in_words, type_in_words


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter that an experiment file may give.

    Attributes:
        name: its key.
        type: in words ("a whole number", "'imagenet', 'none' or a path").
        bounds: what values may be ("> 0 and < 1"); empty where there are none.
        default: as the file would have it; None where the file must give a value.
        description: its author's words; empty where there are none.
    """

    name: str
    type: str
    bounds: str
    default: str | None
    description: str


@dataclass(frozen=True)
class PluginInfo:
    """One plugin.

    Attributes:
        kind: in the singular ("loss").
        name: what an experiment file calls it.
        summary: the first paragraph of its docstring, on one line.
        text: the whole docstring.
        parameters: in the order of its signature.
        origin: ``file:line`` of its registration.
        distribution: name and version of the package that brought it; None for a file's.
        aliases: other spellings of the name.
        default: whether a node that the file leaves out is this plugin.
    """

    kind: str
    name: str
    summary: str
    text: str
    parameters: tuple[ParameterInfo, ...]
    origin: str
    distribution: str | None
    aliases: tuple[str, ...] = ()
    default: bool = False

    @property
    def source(self) -> str:
        """``file:line (distribution version)``, or the first part alone."""
        return f"{self.origin} ({self.distribution})" if self.distribution else self.origin


def describe_kind(kind: str) -> tuple[PluginInfo, ...]:
    """Every plugin of a kind, by name; raises PluginError as :func:`find_kind` does."""
    return tuple(describe(plugin) for plugin in find_kind(kind).registry)


def describe_plugin(kind: str, name: str) -> PluginInfo:
    """One plugin.

    Raises:
        PluginError: there is no such kind or plugin; the message holds the nearest ones, and says
            so where the plugin is there but could not be imported.
    """
    return describe(find_kind(kind).registry.get(name))


def failed_plugins() -> tuple[PluginFailure, ...]:
    """The modules that could not be imported, by distribution and module."""
    failures = {failure.module: failure for kind in REGISTRIES for failure in kind.failures}
    return tuple(sorted(failures.values(), key=lambda failure: (failure.origin, failure.module)))


def describe(plugin: Plugin[Any]) -> PluginInfo:
    """The description of a plugin."""
    fields = plugin.parameters.model_fields
    distribution = [" ".join(each) for each in distribution_of(plugin).items()]
    return PluginInfo(
        kind=plugin.kind,
        name=plugin.name,
        summary=plugin.summary,
        text=docstring(plugin.factory),
        parameters=tuple(_parameter(key, fields[key]) for key in fields if key != "name"),
        origin=plugin.origin,
        distribution=distribution[0] if distribution else None,
        aliases=plugin.aliases,
        default=plugin.default,
    )


def distribution_of(plugin: Plugin[Any]) -> dict[str, str]:
    """The version of the distribution that brought a plugin, by its name; empty for a file's."""
    names = _packages_by_module().get(plugin.module.partition(".")[0], [])
    return {name: version(name) for name in names[:1]}


def _parameter(name: str, info: FieldInfo) -> ParameterInfo:
    annotation: Any = info.annotation
    if info.metadata:
        annotation = Annotated[(annotation, *info.metadata)]
    default = None
    if not info.is_required():
        value = info.get_default()
        text = json.dumps(to_jsonable_python(value), ensure_ascii=False)
        default = value if isinstance(value, str) and value else text
    return ParameterInfo(
        name=name,
        type=type_in_words(annotation),
        bounds=bounds_in_words(annotation),
        default=default,
        description=info.description or "",
    )


@cache  # it reads the metadata of every installed distribution
def _packages_by_module() -> dict[str, list[str]]:
    return {module: sorted(set(names)) for module, names in packages_distributions().items()}
