"""Plugin parameters derived from another library's constructors.

A plugin that offers the classes of a library by name takes parameters, types and defaults from
the installed version, so that it has no list of its own that could become outdated.
"""

import collections.abc
import inspect
import re
import sys
from collections.abc import Collection, Mapping
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field

_PLAIN = (bool, int, float, str)
_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
_ENTRY = re.compile(r"^ {4}(\w+)(?: \(.*?\))? ?:(.*(?:\n {8}.+)*)", re.MULTILINE)
_MARKUP = re.compile(r"(?::\w+:)?`+([^`]*)`+_?")


def foreign_parameters(
    cls: type[Any],
    *,
    without: Collection[str],
    bounds: Mapping[str, Any],
    defaults: Mapping[str, tuple[Any, Any, str]],
) -> list[inspect.Parameter] | None:
    """The parameters of a class that an experiment file can give, keyword-only and annotated.

    A parameter that no YAML value fits, such as a function, is left out if it has a default.

    Args:
        cls: its signature has names, types and defaults, its docstring the descriptions.
        without: parameters that are left out.
        bounds: by name, a ``Field`` for every number in a parameter's type.
        defaults: by name, type, default and description that replace those of the class.

    Returns:
        None if a required parameter cannot be given, so that the class cannot be used.
    """
    described = _descriptions(cls)
    found = []
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in without:
            continue
        if name in defaults:
            annotation, default, text = defaults[name]
        else:
            annotation = yaml_type(_resolved(cls, parameter), bounds.get(name))
            default = parameter.default
            text = described.get(name, f"see the documentation of {cls.__name__}")
        if annotation is not None:
            annotation = Annotated[annotation, Field(description=text)]
            found.append(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                )
            )
        elif default is inspect.Parameter.empty:
            return None
    return found


def yaml_type(annotation: Any, bound: Any = None) -> Any:
    """The part of a type that YAML can represent, numbers bounded; None if there is none.

    Example:
        >>> yaml_type(float | torch.Tensor, Field(gt=0))
        Annotated[float, Field(gt=0)]
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        bounded = bound is not None and annotation in (int, float)
        return Annotated[annotation, bound] if bounded else annotation
    if origin is Literal:
        return annotation
    if origin in (Union, UnionType):
        members = [yaml_type(member, bound) for member in arguments if member is not NoneType]
        kept = [member for member in members if member is not None]
        nothing = [None] if NoneType in arguments and kept else []
        return Union[(*kept, *nothing)] if kept else None
    items = [yaml_type(item, bound) for item in arguments if item is not ...]
    if not items or None in items:
        return None
    if origin in _LISTS or (origin is tuple and ... in arguments):
        return tuple[items[0], ...]  # type: ignore[valid-type]
    return tuple[tuple(items)] if origin is tuple else None  # type: ignore[misc]


def _resolved(cls: type[Any], parameter: inspect.Parameter) -> Any:
    """A parameter's annotation, or None if it is only defined for type checkers."""
    alone = SimpleNamespace(__annotations__={"it": parameter.annotation})
    known = {**vars(collections.abc), **vars(sys.modules[cls.__module__])}
    try:
        return get_type_hints(alone, globalns=known)["it"]
    except NameError:
        return None


def _descriptions(cls: type[Any]) -> dict[str, str]:
    """The first sentence on each parameter in the class's docstring."""
    _, _, arguments = inspect.cleandoc(cls.__doc__ or "").partition("\nArgs:\n")
    found = {}
    for name, text in _ENTRY.findall(arguments):
        plain = " ".join(_MARKUP.sub(r"\1", text).split())
        found[name] = re.split(r"\.(?: |$)|;? ?\(?[Dd]efault:", plain, maxsplit=1)[0].strip()
    return found
