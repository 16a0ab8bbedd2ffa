"""Types in plain words, for the listing of plugins and for errors."""

from collections.abc import Iterator, Mapping, Sequence, Set
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_SIMPLE: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    None: "null",
    NoneType: "null",
    Any: "anything",
}
_BOUNDS = {
    "gt": "> {}",
    "ge": ">= {}",
    "lt": "< {}",
    "le": "<= {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "matching {}",
}


def describe_type(annotation: Any) -> str:
    """``Annotated[int, Field(gt=0)] | None`` -> ``"a whole number > 0 or null"``."""
    alternatives: list[str] = []
    for alternative in union_members(annotation):
        alternatives += _alternative(alternative)
    *most, last = dict.fromkeys(alternatives)
    return f"{', '.join(most)} or {last}" if most else last


def type_in_words(annotation: Any) -> str:
    """The same without the bounds of the value itself (those of a list's items remain)."""
    inner, metadata = strip_annotated(annotation)
    kinds = tuple(item for item in metadata if _is_registry(item))
    return describe_type(Annotated[(inner, *kinds)] if kinds else inner)


def bounds_in_words(annotation: Any) -> str:
    """``Annotated[float, Field(gt=0, lt=1)]`` -> ``"> 0 and < 1"``; empty without bounds."""
    return _bounds(strip_annotated(annotation)[1])


def literals(annotation: Any) -> list[str]:
    """The strings that a type lists, to suggest one for a wrong value."""
    members = [strip_annotated(member)[0] for member in union_members(annotation)]
    words = [_values(member) for member in members]
    return [word for values in words for word in values if isinstance(word, str)]


def has_any_length(annotation: Any) -> bool:
    """Whether a type is a list of any length, which a single value could be meant for."""
    members = [strip_annotated(member)[0] for member in union_members(annotation)]
    return any(get_origin(it) is list or get_args(it)[1:] == (Ellipsis,) for it in members)


def strip_annotated(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split ``Annotated[type, *metadata]`` into the type and its metadata."""
    if get_origin(annotation) is not Annotated:
        return annotation, ()
    inner, *metadata = get_args(annotation)
    return inner, tuple(metadata)


def union_members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, each with the union's metadata; of another type, itself."""
    inner, metadata = strip_annotated(annotation)
    if get_origin(inner) not in (Union, UnionType):
        yield annotation
        return
    for member in get_args(inner):
        bound = metadata and member is not NoneType
        yield from union_members(Annotated[(member, *metadata)] if bound else member)


def _alternative(annotation: Any) -> list[str]:
    inner, metadata = strip_annotated(annotation)
    kinds = [item.kind for item in metadata if _is_registry(item)]
    if kinds:
        return [f"{'an' if kinds[0][0] in 'aeiou' else 'a'} {kinds[0]}"]
    values = _values(inner)
    if values:
        return [str(it).lower() if isinstance(it, bool) else repr(it) for it in values]
    return [f"{_type(inner)} {_bounds(metadata)}".rstrip()]


def _is_registry(item: Any) -> bool:
    return hasattr(item, "kind") and hasattr(item, "plural")


def _type(inner: Any) -> str:
    if inner in _SIMPLE:
        return _SIMPLE[inner]
    origin, arguments = get_origin(inner) or inner, get_args(inner)
    if not isinstance(origin, type):
        return describe_type(inner) if arguments else str(inner)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        items = [describe_type(argument) for argument in arguments]
        each = f", each {items[0]}" if len(set(items)) == 1 else f" ({', '.join(items)})"
        return f"a list of {len(items)}{each}"
    if issubclass(origin, BaseModel | Mapping):
        return "a mapping"
    if issubclass(origin, Sequence | Set) and not issubclass(origin, str | bytes):
        return "a list" + (f", each {describe_type(arguments[0])}" if arguments else "")
    return f"a {origin.__name__}"


def _values(inner: Any) -> list[Any]:
    if get_origin(inner) is Literal:
        return list(get_args(inner))
    if isinstance(inner, type) and issubclass(inner, Enum):
        return [member.value for member in inner]
    return []


def _bounds(metadata: tuple[Any, ...]) -> str:
    items: list[Any] = []
    for item in metadata:
        items += item.metadata if isinstance(item, FieldInfo) else [item]
    limits = [(key, getattr(item, key, None)) for item in items for key in _BOUNDS]
    return " and ".join(
        "not empty" if (key, limit) == ("min_length", 1) else _BOUNDS[key].format(limit)
        for key, limit in limits
        if limit is not None
    )
