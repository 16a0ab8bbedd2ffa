"""Which keys an experiment knows at a path: for suggestions and for overrides."""

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from facesim.registry import PluginError, Registry


def known_keys(model: type[BaseModel], path: tuple[str | int, ...], data: Any) -> list[str]:
    """The keys that the mapping at ``path`` may have; empty where it is no mapping.

    Args:
        model: the root of the schema.
        path: keys and positions from the root.
        data: the file's plain data, which says which plugin a node is of.
    """
    annotation: Any = model
    for key in path:
        annotation = _below(annotation, key, data)
        data = _at(data, key)
        if annotation is None:
            return []
    return list(_fields(annotation, data))


def _fields(annotation: Any, data: Any) -> dict[str, Any]:
    """Name -> type (with its metadata) of the keys at a node of this type."""
    registry = _registry(annotation)
    if registry is not None:
        name = data.get("name") if isinstance(data, dict) else data
        try:
            annotation = registry.get(str(name)).parameters
        except PluginError:
            return {"name": str}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {
            name: _Annotation(info.annotation, tuple(info.metadata))
            for name, info in annotation.model_fields.items()
        }
    return {}


class _Annotation:
    """A field's type with its metadata, which pydantic keeps apart."""

    def __init__(self, type_: Any, metadata: tuple[Any, ...]) -> None:
        self.type = type_
        self.metadata = metadata


def _registry(annotation: Any) -> Registry[Any] | None:
    metadata: tuple[Any, ...] = getattr(annotation, "metadata", ())
    metadata = metadata or getattr(annotation, "__metadata__", ())
    return next((item for item in metadata if isinstance(item, Registry)), None)


def _below(annotation: Any, key: str | int, data: Any) -> Any:
    fields = _fields(annotation, data)
    if key in fields:
        field = fields[str(key)]
        plain = isinstance(field, _Annotation) and _registry(field) is None
        return field.type if plain else field
    if get_origin(annotation) in (list, tuple) and isinstance(key, int):
        return get_args(annotation)[0]
    return None


def _at(data: Any, key: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(key)
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        return data[key]
    return None
