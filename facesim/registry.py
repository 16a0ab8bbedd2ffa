"""Registry and Spec: a plugin's name becomes validated parameters, and those become an object."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
)
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_json

from facesim.errors import FacesimError, did_you_mean

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_PARAMETERS = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class PluginError(FacesimError):
    """A plugin that breaks the rules of registration."""


@dataclass(frozen=True)
class PluginFailure:
    """A module that should have brought plugins and could not be imported.

    Attributes:
        module: the module or file that failed.
        origin: the distribution or experiment that named it.
        reason: one line, the exception's own.
        traceback: the whole traceback, as text.
        declared: the (kind, name) pairs that its source registers, as far as they can be read.
    """

    module: str
    origin: str
    reason: str
    traceback: str
    declared: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Plugin(Generic[T]):
    """One registered factory.

    Attributes:
        kind: the registry's kind, in the singular ("loss").
        name: what an experiment file calls it.
        factory: takes the engine's positional arguments and the YAML parameters as keywords.
        parameters: pydantic model of the YAML parameters; the field ``name`` holds the name.
        origin: ``file:line`` of the registration.
    """

    kind: str
    name: str
    factory: Callable[..., T]
    parameters: type[BaseModel]
    origin: str

    @property
    def summary(self) -> str:
        """First paragraph of the factory's docstring, on one line."""
        return " ".join((inspect.getdoc(self.factory) or "").split("\n\n")[0].split())


@dataclass(frozen=True)
class Spec(Generic[T]):
    """A plugin with validated parameters: what a node of an experiment file becomes."""

    plugin: Plugin[T]
    parameters: BaseModel

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    @property
    def arguments(self) -> dict[str, Any]:
        """The YAML parameters as keyword arguments, defaults filled in."""
        names = type(self.parameters).model_fields
        return {name: getattr(self.parameters, name) for name in names if name != "name"}

    def build(self, *engine_arguments: Any) -> T:
        """Call the factory with what the engine passes and the file's parameters."""
        return self.plugin.factory(*engine_arguments, **self.arguments)

    def as_node(self) -> dict[str, Any]:
        """The node as plain JSON data: every default written out, every path absolute."""
        node = self.parameters.model_dump(mode="json")
        paths = {k: str(v.absolute()) for k, v in self.arguments.items() if isinstance(v, Path)}
        return {**node, **paths}


@dataclass
class Registry(Generic[T]):
    """All plugins of one kind: the decorator that registers, and the type of the file's node.

    Example:
        >>> losses = Registry("loss", "losses", ("embedding_dim", "num_identities"))
        >>> @losses("mine")
        ... def mine(embedding_dim, num_identities, *, margin: float = 1.0): ...
        >>> losses.names()
        ['mine']

    Attributes:
        kind: the singular, for messages.
        plural: the registry's own name.
        positional: names of the arguments that the engine passes, in order.
    """

    kind: str
    plural: str
    positional: tuple[str, ...] = ()
    _plugins: dict[str, Plugin[T]] = field(default_factory=dict, repr=False)

    def __call__(self, name: str) -> Callable[[F], F]:
        """Register a factory under ``name``.

        Raises:
            PluginError: the name is taken, or the factory's signature does not fit the kind.
        """

        def register(factory: F) -> F:
            origin = _origin(factory)
            taken = self._plugins.get(name)
            if taken is not None and taken.origin != origin:
                raise PluginError(
                    f"{origin}: the {self.kind} {name!r} is registered already, by {taken.origin}; "
                    "give one of the two another name"
                )
            parameters = _parameters_model(self, name, factory, origin)
            self._plugins[name] = Plugin(self.kind, name, factory, parameters, origin)
            return factory

        return register

    def __iter__(self) -> Iterator[Plugin[T]]:
        return iter([self._plugins[name] for name in self.names()])

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        return sorted(self._plugins)

    def get(self, name: str) -> Plugin[T]:
        """Look a plugin up.

        Raises:
            PluginError: no such name; the message holds the nearest names, or the reason why the
                module that should have registered it failed to import.
        """
        if name in self._plugins:
            return self._plugins[name]
        raise PluginError(self._why_not(name))

    def spec(self, name: str, **parameters: Any) -> Spec[T]:
        """A Spec from Python instead of YAML; raises pydantic's ValidationError."""
        plugin = self.get(name)
        return Spec(plugin, plugin.parameters.model_validate({"name": name, **parameters}))

    def _why_not(self, name: str) -> str:
        failed = [f for f in failures if (self.kind, name) in f.declared]
        if failed:
            return f"the {self.kind} {name!r} cannot be used: " + "; ".join(
                f"{f.module} ({f.origin}) failed to import: {f.reason}\n{f.traceback}"
                for f in failed
            )
        message = (
            f"there is no {self.kind} {name!r}{did_you_mean(name, self.names())}; "
            f"`facesim plugins {self.plural}` lists all"
        )
        for failure in failures:
            message += (
                f"\nnote: {failure.module} ({failure.origin}) failed to import and may have "
                f"brought it: {failure.reason}"
            )
        return message

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo, if the block raises, every registration made inside."""
        kept = dict(self._plugins)
        try:
            yield
        except BaseException:
            self._plugins = kept
            raise

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Undo, on leaving, every registration made inside. For tests and notebooks."""
        kept = dict(self._plugins)
        try:
            yield
        finally:
            self._plugins = kept

    # The registry as a pydantic type: Annotated[Spec[Loss], losses]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate_node,
            serialization=core_schema.plain_serializer_function_ser_schema(Spec.as_node),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        branches: list[JsonSchemaValue] = []
        for plugin in self:
            node = handler(plugin.parameters.__pydantic_core_schema__)
            branches.append(node)
        bare = [plugin.name for plugin in self if not _required(plugin)]
        if bare:
            branches.append({"type": "string", "enum": bare})
        return {"anyOf": branches, "title": self.kind.capitalize()}

    def _validate_node(self, node: Any) -> Spec[T]:
        if isinstance(node, Spec):
            return node
        if isinstance(node, str):
            node = {"name": node}
        if not isinstance(node, dict) or not isinstance(node.get("name"), str):
            raise PydanticCustomError(
                "plugin_node",
                "{message}",
                {
                    "message": f"a {self.kind} is a name or a mapping with `name:`; known are "
                    + ", ".join(self.names())
                },
            )
        try:
            plugin = self.get(node["name"])
        except PluginError as error:
            raise _located("unknown_plugin", str(error), node["name"]) from None
        return Spec(plugin, plugin.parameters.model_validate_json(to_json(node), strict=True))


failures: list[PluginFailure] = []
"""What discovery could not import, in this process."""


def _located(kind: str, message: str, value: Any) -> ValidationError:
    """A validation error that points at the node's ``name``."""
    custom = PydanticCustomError("facesim_" + kind, "{message}", {"message": message})
    return ValidationError.from_exception_data(
        "plugin", [{"type": custom, "loc": ("name",), "input": value}]
    )


def _required(plugin: Plugin[Any]) -> list[str]:
    fields = plugin.parameters.model_fields
    return [name for name, info in fields.items() if info.is_required() and name != "name"]


def _origin(factory: Callable[..., Any]) -> str:
    try:
        path = Path(inspect.getsourcefile(factory) or "?")
        line = inspect.getsourcelines(factory)[1]
    except (OSError, TypeError):
        return f"{factory.__module__}.{factory.__qualname__}"
    return f"{path}:{line}"


def _parameters_model(
    registry: Registry[Any], name: str, factory: Callable[..., Any], origin: str
) -> type[BaseModel]:
    """The pydantic model that a factory's keyword-only parameters describe."""
    initializer = getattr(factory, "__init__") if isinstance(factory, type) else factory  # noqa: B009
    hints = get_type_hints(initializer, include_extras=True)
    positional = []
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(parameter.name)
            continue
        where = f"{origin}: {registry.kind} {name!r}, parameter {parameter.name!r}"
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise PluginError(f"{where}: *args and **kwargs cannot become a schema; spell them out")
        if parameter.name == "name":
            raise PluginError(f"{where}: `name` is the plugin's own name; call it otherwise")
        if parameter.name not in hints:
            raise PluginError(f"{where}: it needs a type annotation, which becomes its schema")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    if len(positional) != len(registry.positional):
        wanted = ", ".join((*registry.positional, "*", "..."))
        raise PluginError(
            f"{origin}: a {registry.kind} takes ({wanted}); {name!r} takes "
            f"({', '.join(positional)}) before its keyword-only parameters"
        )
    try:
        return create_model(
            f"{name}_{registry.kind}",
            __config__=_PARAMETERS,
            __doc__=(inspect.getdoc(factory) or "").split("\n\n")[0] or None,
            **fields,
        )
    except PydanticSchemaGenerationError as error:
        raise PluginError(
            f"{origin}: {registry.kind} {name!r}: {error.message}; annotate it with a type that "
            "YAML can hold"
        ) from None
