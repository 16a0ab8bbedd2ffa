"""A factory's signature as a pydantic model: keyword-only parameters are the YAML parameters."""

import functools
import inspect
import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic.errors import PydanticUserError
from pydantic_core import to_json

from facesim.errors import PluginError

M = TypeVar("M", bound=BaseModel)

_CONFIG = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())
_PLUGIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def parameters_model(
    factory: Callable[..., Any],
    kind: str,
    name: str,
    positional: tuple[str, ...],
    where: str,
    aliases: tuple[str, ...] = (),
) -> type[BaseModel]:
    """Turn a factory's keyword-only parameters into the schema of its node in the file.

    Args:
        factory: a function, a class or a ``functools.partial``.
        kind: of plugin, in the singular.
        name: of the plugin; the only value that the model's field ``name`` accepts.
        positional: what the engine passes, in order.
        where: begins every message.
        aliases: other spellings of the name, which the JSON Schema accepts and the model does not:
            the registry puts the name in their place.

    Raises:
        PluginError: the name or the signature is not one that an experiment file could use.
    """
    spellings = (name, *aliases)
    for spelling in spellings:
        if not _PLUGIN_NAME.fullmatch(spelling):
            raise PluginError(
                f"{where}: {spelling!r} is not a name for a {kind}; "
                "write a letter, then letters, digits, '_', '-' or '.'"
            )
    if len(set(spellings)) < len(spellings):
        raise PluginError(f"{where}: the {kind} {name!r} gives a name twice: {spellings}")
    if inspect.isabstract(factory):
        missing = ", ".join(sorted(getattr(factory, "__abstractmethods__")))  # noqa: B009
        raise PluginError(f"{where}: the {kind} {name!r} has to define {missing}")
    parameters = _signature(factory, where).parameters.values()
    _check_positional(parameters, kind, name, positional, where)
    field_name: Any = Literal[name]
    if aliases:
        schema = WithJsonSchema({"enum": list(spellings), "type": "string"})
        field_name = Annotated[field_name, schema]
    fields: dict[str, Any] = {"name": (field_name, ...)}
    for parameter in parameters:
        if parameter.kind not in _POSITIONAL:
            of_parameter = f"{where}: {kind} {name!r}, parameter {parameter.name!r}"
            fields[parameter.name] = _field(parameter, factory, of_parameter)
    model = _model(f"{name}_{kind}", summary(factory), fields, f"{where}: {kind} {name!r}")
    _check_defaults(model, name, f"{where}: {kind} {name!r}")
    return _with_floats(model, fields)


def docstring(factory: Callable[..., Any]) -> str:
    """The factory's own dedented docstring; inherited ones are ignored."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    texts = [factory.__doc__]
    if isinstance(factory, type):
        texts = [
            vars(factory).get("__doc__"),
            getattr(vars(factory).get("__init__"), "__doc__", ""),
        ]
    return inspect.cleandoc(next((text for text in texts if text), ""))


def summary(factory: Callable[..., Any]) -> str:
    """First paragraph of a factory's own docstring, on one line."""
    return " ".join(docstring(factory).split("\n\n")[0].split())


def validate_strictly(model: type[M], data: Any, context: Any = None) -> M:
    """Validate plain data as JSON: "5" is not 5 and true is not 1, but a list may be a tuple.

    Args:
        model: the model.
        data: plain data.
        context: what the validators of the model are told, as pydantic hands it on.

    Raises:
        ValidationError: pydantic's.
    """
    # Pydantic has these rules for JSON text alone: of Python data its strict mode would refuse a
    # list for a tuple and a string for a path, and its lax mode would take "5" for 5.
    text = to_json(data, inf_nan_mode="constants")
    return model.model_validate_json(text, strict=True, context=context)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _signature(factory: Callable[..., Any], where: str) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{where}: its parameters cannot be read ({error}); wrap it in a function"
        ) from None


def _check_positional(
    parameters: Any, kind: str, name: str, wanted: tuple[str, ...], where: str
) -> None:
    given = [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
    if len(given) != len(wanted):
        raise PluginError(
            f"{where}: the {kind} {name!r} must take ({', '.join((*wanted, '*', '...'))}), not "
            f"({', '.join((*given, '*', '...'))}); the YAML parameters come after the `*`"
        )


def _field(
    parameter: inspect.Parameter, factory: Callable[..., Any], where: str
) -> tuple[Any, Any]:
    """Annotation and default of a keyword-only parameter, as ``create_model`` takes them."""
    if parameter.kind is not parameter.KEYWORD_ONLY:
        raise PluginError(f"{where}: *args and **kwargs cannot become a schema; spell them out")
    if parameter.name == "name":
        raise PluginError(f"{where}: `name` is the plugin's own name; rename the parameter")
    if parameter.name.startswith("_") or (
        parameter.name.startswith("model_") and hasattr(BaseModel, parameter.name)
    ):
        raise PluginError(f"{where}: this name is reserved by pydantic; rename the parameter")
    if parameter.annotation is parameter.empty:
        raise PluginError(f"{where}: it needs a type annotation, which becomes its schema")
    default = ... if parameter.default is parameter.empty else parameter.default
    return _resolved(parameter.annotation, factory, where), default


def _resolved(annotation: Any, factory: Callable[..., Any], where: str) -> Any:
    """An annotation without forward references."""
    # One by one, not all of the signature: what the engine passes may be annotated with names that
    # are imported for the type checker alone.
    alone = SimpleNamespace(__annotations__={"it": annotation})
    known = getattr(_function_behind(factory), "__globals__", {})
    try:
        return get_type_hints(alone, globalns=known, include_extras=True)["it"]
    except Exception as error:  # noqa: BLE001  an annotation is code, it may raise anything
        raise PluginError(
            f"{where}: its annotation {annotation!r} cannot be resolved: {error}"
        ) from None


def _function_behind(factory: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(factory, functools.partial):
        factory = factory.func
    if isinstance(factory, type):
        factory = getattr(factory, "__init__")  # noqa: B009  mypy forbids the plain access
    unwrapped: Callable[..., Any] = inspect.unwrap(factory)
    return unwrapped


def _model(title: str, doc: str, fields: dict[str, Any], where: str) -> type[BaseModel]:
    try:
        with warnings.catch_warnings():
            # pydantic warns of parameters that are called like a method of its models: copy, json.
            warnings.simplefilter("ignore", UserWarning)
            return create_model(title, __config__=_CONFIG, __doc__=doc or None, **fields)
    except (PydanticUserError, TypeError, ValueError) as error:
        if len(fields) > 1:
            for key, field in fields.items():
                _model(title, doc, {key: field}, f"{where}, parameter {key!r}")
        reason = str(error).split(". ")[0].split("\n")[0]
        raise PluginError(
            f"{where}: {reason}; annotate it with a type that YAML can hold"
        ) from None


def _check_defaults(model: type[BaseModel], name: str, where: str) -> None:
    defaults = {
        key: info.get_default(call_default_factory=True, validated_data={})
        for key, info in model.model_fields.items()
        if not info.is_required()
    }
    try:
        model.model_validate({"name": name, **defaults}, strict=True)
    except TypeError as error:  # a bound that does not apply to the annotated type
        raise PluginError(f"{where}: {error}") from None
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            parameter = detail["loc"][0]
            if parameter in defaults:
                raise PluginError(
                    f"{where}, parameter {parameter!r}: its default {defaults[parameter]!r} "
                    f"does not fit its annotation: {detail['msg']}"
                ) from None


def _with_floats(model: type[M], fields: dict[str, Any]) -> type[M]:
    """The model with 0.0 for a default of 0 where that is a float's.

    So an experiment is the same before it is written and after it is read.
    """
    changes = False
    for key, (annotation, default) in fields.items():
        numbers = default if isinstance(default, tuple) else (default,)
        if any(type(number) is int for number in numbers):
            valid = TypeAdapter(annotation).validate_python(default)
            changes |= repr(valid) != repr(default)
            model.model_fields[key].default = valid
    if changes:
        model.model_rebuild(force=True)
    return model
