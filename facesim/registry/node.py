"""The node of an experiment file that names a plugin: validation and JSON Schema."""

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import GetJsonSchemaHandler, ValidationError, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from facesim.errors import PluginError
from facesim.registry.plugin import Spec
from facesim.registry.signature import validate_strictly

if TYPE_CHECKING:
    from facesim.registry.registry import Registry

T = TypeVar("T")

WITHOUT_PLUGIN_FILES = object()
"""The context in which an experiment is read whose plugin files are not imported."""

AS_WRITTEN = object()
"""The context in which a resolved experiment is read, to be shown and compared."""

READ_ONLY = (WITHOUT_PLUGIN_FILES, AS_WRITTEN)
"""The contexts in which nothing is built: a file or package that it needs may be gone."""

PLUGINS_OF = "x-facesim-plugins"
"""Marks, in the JSON Schema of anything that holds a plugin, the node that is one."""


def validate_node(registry: "Registry[T]", node: Any, info: ValidationInfo) -> Spec[T]:
    """Validate a plugin's name, or the mapping of its name and parameters.

    Args:
        registry: of the plugin's kind.
        node: the name or the mapping.
        info: with :data:`WITHOUT_PLUGIN_FILES` as its context, a name that is not registered gives
            a stand-in, which can be shown and compared, but not built.

    Raises:
        PydanticCustomError: the node is neither, with the known names.
        ValidationError: the plugin is unknown, or its parameters are wrong; with their places.
    """
    if isinstance(node, Spec) and node.plugin.registry is registry:
        return node
    if isinstance(node, str):
        node = {"name": node}
    if not isinstance(node, dict) or not isinstance(node.get("name"), str):
        names = ", ".join(registry.names()) or "none"
        raise _custom(
            f"must be a {registry.kind}'s name, or a mapping with `name:` (known: {names})"
        )
    try:
        plugin = registry.get(node["name"])
    except PluginError as error:
        if info.context is WITHOUT_PLUGIN_FILES:
            return Spec.stand_in(registry, node)
        unknown: Any = {"type": _custom(str(error)), "loc": ("name",), "input": node["name"]}
        raise ValidationError.from_exception_data("plugin", [unknown]) from None
    try:
        node = {**node, "name": plugin.name}  # the name in an alias' place
        return Spec(plugin, validate_strictly(plugin.parameters, node, info.context))
    except TypeError as error:  # a bound that does not apply to the annotated type
        raise _custom(f"{plugin.origin}: {plugin.kind} {plugin.name!r}: {error}") from None


def node_json_schema(registry: "Registry[Any]", handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    """JSON Schema of the node: one of the plugins, or the name of one that needs no parameters."""
    nodes = [handler(plugin.parameters.__pydantic_core_schema__) for plugin in registry]
    bare = [name for plugin in registry if not plugin.required for name in plugin.spellings]
    if bare:
        nodes.append({"type": "string", "enum": bare})
    default = {} if registry.default is None else {"default": registry.default}
    return {"anyOf": nodes or [{"not": {}}], PLUGINS_OF: registry.plural, **default}


def _custom(message: str) -> PydanticCustomError:
    return PydanticCustomError("facesim_plugin", "{message}", {"message": message})
