"""Looking up a path: the value in plain data, the type and the keys in the schema."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from facesim.errors import PluginError
from facesim.experiment.nodes import KeyPath
from facesim.registry import Registry
from facesim.registry.type_descriptions import strip_annotated, union_members


def value_at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of keys and indices; None where there is nothing.

    Args:
        data: plain data, such as ``Experiment.as_data()``.
        path: from its root; an index may be written in digits, as in a dotted path.
    """
    for key in path:
        if isinstance(data, Mapping):
            data = data.get(key)
        elif isinstance(data, list) and str(key) in map(str, range(len(data))):
            data = data[int(key)]
        else:
            return None
    return data


def keys_at(model: type[BaseModel], path: KeyPath, data: Any) -> list[str]:
    """The keys that the mapping at ``path`` may have; empty where it is not a mapping.

    Args:
        model: the root of the schema.
        path: keys and indices from the root.
        data: the file's plain data, which names the plugin of each node.
    """
    return list(_fields(type_at(model, path, data), value_at(data, path)))


def type_at(model: type[BaseModel], path: KeyPath, data: Any) -> Any:
    """The type at ``path``, with its metadata as ``Annotated``; None where there is nothing."""
    annotation: Any = model
    for depth, key in enumerate(path):
        annotation = _below(annotation, key, value_at(data, path[:depth]))
    return annotation


def elsewhere(model: type[BaseModel], key: str, data: Any) -> list[str]:
    """The sections of the schema that have this key: ``["train.epochs"]``."""
    return [
        f"{section}.{key}"
        for section in model.model_fields
        if key != "name" and key in keys_at(model, (section,), data)
    ]


def _fields(annotation: Any, value: Any) -> dict[str, Any]:
    """Key -> type of the mapping that a type describes."""
    for member in union_members(annotation):
        inner, metadata = strip_annotated(member)
        registry = next((item for item in metadata if isinstance(item, Registry)), None)
        if registry is not None:
            inner = _parameters(registry, value)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return {
                name: Annotated[(info.annotation, *info.metadata)]
                if info.metadata
                else info.annotation
                for name, info in inner.model_fields.items()
            }
    return {}


def _parameters(registry: Registry[Any], node: Any) -> type[BaseModel] | None:
    name = node.get("name") if isinstance(node, dict) else node
    try:
        return registry.get(str(name)).parameters
    except PluginError:
        return None


def _below(annotation: Any, key: str | int, value: Any) -> Any:
    fields = _fields(annotation, value)
    if key in fields:
        return fields[str(key)]
    for member in union_members(annotation):
        origin, arguments = (
            get_origin(strip_annotated(member)[0]),
            get_args(strip_annotated(member)[0]),
        )
        if origin in (list, tuple) and isinstance(key, int):
            fixed = origin is tuple and arguments[-1] is not Ellipsis
            return arguments[min(key, len(arguments) - 1)] if fixed else arguments[0]
        if origin is dict:
            return arguments[1]
    return None
