"""Registry and Spec: a plugin's name becomes validated parameters, and those become an object."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import currentframe
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import (
    CoreSchema,
    PydanticCustomError,
    core_schema,
    to_jsonable_python,
)

from facesim.errors import PluginError, PluginFailure, did_you_mean
from facesim.signature import parameters_model, summary, validate_strictly

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PLUGINS_OF = "x-facesim-plugins"
"""Marks, in the JSON Schema of anything that holds a plugin, the node that is one."""


@dataclass(frozen=True)
class Plugin(Generic[T]):
    """One registered factory.

    Attributes:
        registry: of the plugin's kind.
        name: what an experiment file calls it.
        factory: takes the engine's positional arguments and the YAML parameters as keywords.
        parameters: pydantic model of the YAML parameters; the field ``name`` holds the name.
        origin: ``file:line`` of the registration.
        module: the import name of the module that registered it.
        aliases: other spellings of the name that an experiment file may use.
        default: whether a node that the file leaves out is this plugin.
        packages: the distributions, besides facesim's own requirements, that its results depend on.
        starter: how an experiment that is newly written begins with it; empty if none does.
    """

    registry: "Registry[T]" = field(repr=False)
    name: str
    factory: Callable[..., T]
    parameters: type[BaseModel]
    origin: str
    module: str
    aliases: tuple[str, ...] = ()
    default: bool = False
    packages: tuple[str, ...] = ()
    starter: str = ""

    @property
    def kind(self) -> str:
        """The registry's kind, in the singular ("loss")."""
        return self.registry.kind

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name, then its aliases."""
        return (self.name, *self.aliases)

    @property
    def summary(self) -> str:
        """First paragraph of the factory's docstring, on one line."""
        return summary(self.factory)


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
        """Call the factory with what the engine passes and the file's parameters.

        Raises:
            PluginError: it returns something else than its kind promises.
        """
        built = self.plugin.factory(*engine_arguments, **self.arguments)
        return self.plugin.registry.accepted(self.plugin, built)

    def as_node(self) -> dict[str, Any]:
        """The node as plain JSON data: every default written out, every path absolute."""
        node: dict[str, Any] = to_jsonable_python(_absolute(self.parameters.model_dump()))
        return node


@dataclass(eq=False)
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
        base: the class of what a factory returns; None accepts anything.
        adapt: makes an object of ``base`` of other things that a factory may return, and leaves
            what it cannot adapt as it is.
    """

    kind: str
    plural: str
    positional: tuple[str, ...] = ()
    base: type[Any] | None = None
    adapt: Callable[[Any], Any] | None = None
    _plugins: dict[str, Plugin[T]] = field(default_factory=dict, repr=False)
    _failures: dict[str, PluginFailure] = field(default_factory=dict, repr=False)

    def __call__(
        self,
        name: str,
        *,
        aliases: Sequence[str] = (),
        default: bool = False,
        packages: Sequence[str] = (),
        starter: str = "",
    ) -> Callable[[F], F]:
        """Register a factory under ``name``.

        What a module registered it may register again: a reloaded module does, and a notebook's
        cell that runs twice.

        Args:
            name: what an experiment file calls the plugin.
            aliases: other accepted spellings; a Spec and the resolved experiment have the name.
            default: whether an experiment that leaves the kind's node out gets this plugin.
            packages: distributions that its results depend on, as pip calls them; the run's
                ``environment.json`` has their versions.
            starter: its node in the file of ``facesim new experiment``, as YAML, where a comment
                may follow. Of a dataset it is the lines of all three splits, in which ROOT stands
                for the folder of the faces. Of other kinds the first that is registered is used.

        Raises:
            PluginError: the name or an alias is taken, another plugin is the default already, or
                the factory's signature does not fit the kind.
        """
        module, origin = _caller()
        for parameter, given in (("aliases", aliases), ("packages", packages)):
            if isinstance(given, str):
                raise PluginError(f"{origin}: write {parameter}=({given!r},), a tuple of names")

        def register(factory: F) -> F:
            model = parameters_model(
                factory, self.kind, name, self.positional, origin, tuple(aliases)
            )
            plugin: Plugin[T] = Plugin(
                self,
                name,
                factory,
                model,
                origin,
                module,
                aliases=tuple(aliases),
                default=default,
                packages=tuple(packages),
                starter=starter,
            )
            for other in self._plugins.values():
                if other.name != name or not _again(other, module, factory):
                    _check_clash(plugin, other)
            self._plugins[name] = plugin
            return factory

        return register

    def __iter__(self) -> Iterator[Plugin[T]]:
        return iter([self._plugins[name] for name in self.names()])

    def names(self) -> list[str]:
        """Every registered name, sorted; without aliases."""
        return sorted(self._plugins)

    @property
    def default(self) -> str | None:
        """The name of the plugin that was registered with ``default=True``."""
        return next((plugin.name for plugin in self if plugin.default), None)

    def starters(self) -> list[Plugin[T]]:
        """The plugins that a new experiment may begin with, in the order of registration."""
        return [plugin for plugin in self._plugins.values() if plugin.starter]

    def get(self, name: str) -> Plugin[T]:
        """Look a plugin up by its name or an alias.

        Raises:
            PluginError: no such name; the message holds the nearest names, or the reason why the
                module that should have registered it failed to import.
        """
        if name in self._plugins:
            return self._plugins[name]
        for plugin in self._plugins.values():
            if name in plugin.aliases:
                return plugin
        raise PluginError(self._why_not(name))

    def spec(self, name: str, **parameters: Any) -> Spec[T]:
        """A Spec from Python instead of YAML; raises pydantic's ValidationError."""
        plugin = self.get(name)
        return Spec(plugin, plugin.parameters.model_validate({"name": plugin.name, **parameters}))

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """The modules that could not be imported and may have registered plugins of this kind."""
        return tuple(self._failures.values())

    def note_failure(self, failure: PluginFailure) -> None:
        """Explain by this failure why a plugin of this kind is missing."""
        self._failures[failure.module] = failure

    def forget_failure(self, module: str) -> None:
        """Take back what was noted of a module, if anything was."""
        self._failures.pop(module, None)

    def failed_to_register(self, name: str) -> list[PluginFailure]:
        """The failures of modules whose source registers ``name``."""
        return [failure for failure in self.failures if (self.plural, name) in failure.declared]

    def accepted(self, plugin: Plugin[T], built: Any) -> T:
        """What a factory returned, as an object of the kind's base class.

        Raises:
            PluginError: it is something else.
        """
        if self.adapt is not None:
            built = self.adapt(built)
        if self.base is not None and not isinstance(built, self.base):
            raise PluginError(
                f"{plugin.origin}: the factory of the {self.kind} {plugin.name!r} must return a "
                f"{self.base.__name__}; it returned {_described(built)}"
            )
        accepted: T = built
        return accepted

    def _why_not(self, name: str) -> str:
        failed = self.failed_to_register(name)
        if failed:
            reasons = "; ".join(failure.with_traceback() for failure in failed)
            return f"the {self.kind} {name!r} cannot be used: {reasons}"
        spellings = [spelling for plugin in self for spelling in plugin.spellings]
        message = (
            f"there is no {self.kind} {name!r}{did_you_mean(name, spellings)}; "
            f"`facesim plugins {self.plural}` lists all"
        )
        suspects = [failure for failure in self.failures if not failure.declared]
        guesses = [f"{suspect}; it may have defined this plugin" for suspect in suspects]
        return "\n    ".join([message, *guesses])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo, if the block raises, the registrations of the modules that failed with it.

        A module that was imported on the way without an error keeps its plugins, since Python
        would not run it a second time.
        """
        before = dict(self._plugins)
        try:
            yield
        except BaseException:
            survivors = {n: p for n, p in self._plugins.items() if p.module in sys.modules}
            self._plugins = {**survivors, **before}
            raise

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Undo, on leaving, what was registered or noted inside. For tests and notebooks."""
        before = dict(self._plugins), dict(self._failures)
        try:
            yield
        finally:
            self._plugins, self._failures = before

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
        nodes = [handler(plugin.parameters.__pydantic_core_schema__) for plugin in self]
        bare = [
            name for plugin in self if not required_parameters(plugin) for name in plugin.spellings
        ]
        if bare:
            nodes.append({"type": "string", "enum": bare})
        default = {} if self.default is None else {"default": self.default}
        return {"anyOf": nodes or [{"not": {}}], PLUGINS_OF: self.plural, **default}

    def _validate_node(self, node: Any) -> Spec[T]:
        if isinstance(node, Spec) and node.plugin.registry is self:
            return node
        if isinstance(node, str):
            node = {"name": node}
        if not isinstance(node, dict) or not isinstance(node.get("name"), str):
            names = ", ".join(self.names()) or "none"
            raise _custom(
                f"must be a {self.kind}'s name, or a mapping with `name:` (known: {names})"
            )
        try:
            plugin = self.get(node["name"])
        except PluginError as error:
            unknown: Any = {"type": _custom(str(error)), "loc": ("name",), "input": node["name"]}
            raise ValidationError.from_exception_data("plugin", [unknown]) from None
        try:
            node = {**node, "name": plugin.name}  # the name in an alias' place
            return Spec(plugin, validate_strictly(plugin.parameters, node))
        except TypeError as error:  # a bound that does not apply to the annotated type
            raise _custom(f"{plugin.origin}: {self.kind} {plugin.name!r}: {error}") from None


def _caller() -> tuple[str, str]:
    """Module and ``file:line`` of whoever called the function that calls this one."""
    here = currentframe()
    frame = here and here.f_back and here.f_back.f_back
    if frame is None:
        return "__main__", "unknown:0"
    origin = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return frame.f_globals.get("__name__", "__main__"), origin


def _again(taken: Plugin[Any], module: str, factory: Callable[..., Any]) -> bool:
    """Whether a module registers the very function or class that it registered before."""
    before, now = (getattr(it, "__qualname__", None) for it in (taken.factory, factory))
    return taken.module == module and before == now is not None


def _check_clash(new: Plugin[Any], other: Plugin[Any]) -> None:
    """Raise PluginError where two plugins of a kind share a spelling, or are both the default."""
    for taken in new.spellings:
        if taken in other.spellings:
            alias = f" as an alias of {other.name!r}" if taken in other.aliases else ""
            raise PluginError(
                f"{new.origin}: the {new.kind} {taken!r} is registered already{alias}, "
                f"by {other.origin}; give one of the two another name"
            )
    if new.default and other.default:
        raise PluginError(
            f"{new.origin}: the default {new.kind} is {other.name!r} already, by {other.origin}; "
            "leave `default=True` out of one of the two"
        )


def _described(value: Any) -> str:
    return "None" if value is None else f"an object of class {type(value).__qualname__}"


def _custom(message: str) -> PydanticCustomError:
    return PydanticCustomError("facesim_plugin", "{message}", {"message": message})


def required_parameters(plugin: Plugin[Any]) -> list[str]:
    """The YAML parameters that have no default."""
    fields = plugin.parameters.model_fields
    return [name for name, info in fields.items() if info.is_required() and name != "name"]


def _absolute(value: Any) -> Any:
    """The same data with every path in it absolute."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, dict):
        return {key: _absolute(below) for key, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_absolute(below) for below in value]
    return value
